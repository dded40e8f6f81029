(() => {
  "use strict";
  let library = null;
  const loaded = () => library ??= (async () => {
    const packed = document.getElementById("plotly-gz");
    const bytes = Uint8Array.from(atob(packed.textContent.trim()), (c) => c.charCodeAt(0));
    const text = await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
    const script = document.createElement("script");
    script.textContent = text;
    document.head.append(script);
    return window.Plotly;
  })();
  const draw = async (figure) => {
    const Plotly = await loaded();
    if (!Plotly) return;
    const plot = JSON.parse(figure.querySelector("script").textContent);
    const place = document.createElement("div");
    place.className = "plot";
    place.setAttribute("role", "img");
    place.setAttribute("aria-label", figure.querySelector("figcaption").textContent);
    figure.append(place);
    await Plotly.newPlot(place, plot.data, plot.layout, { displayModeBar: false, responsive: true });
    figure.querySelectorAll(".still").forEach((still) => still.remove());
  };
  if (window.DecompressionStream && document.getElementById("plotly-gz")) {
    const watch = new IntersectionObserver((entries) => entries.filter((e) => e.isIntersecting).forEach((e) => {
      watch.unobserve(e.target);
      draw(e.target);
    }), { rootMargin: "200px" });
    document.querySelectorAll("figure[data-plot]").forEach((figure) => watch.observe(figure));
  }

  const button = (words, name, act) => {
    const one = document.createElement("button");
    one.type = "button";
    one.textContent = words;
    if (name) one.setAttribute("aria-label", name);
    one.addEventListener("click", act);
    return one;
  };
  document.querySelectorAll(".copyable").forEach((block) => {
    const copy = button("copy", "", async () => {
      await navigator.clipboard.writeText(block.querySelector("pre").dataset.copy);
      copy.textContent = "copied";
    });
    copy.className = "copy";
    block.append(copy);
  });

  const WIDTH = 1000;
  const duration = (s) => (s < 1e-6 ? "0 s" : s < 0.9995e-3 ? `${Math.round(s * 1e6)} µs` : s < 0.9995 ? `${Number((s * 1e3).toPrecision(3))} ms`
    : s < 600 ? `${Number(s.toPrecision(4))} s` : s < 36000 ? `${Number((s / 60).toPrecision(4))} min` : `${Number((s / 3600).toPrecision(4))} h`);
  document.querySelectorAll(".period").forEach((period) => {
    const span = Number(period.dataset.span), strips = [...period.querySelectorAll(".lane svg")];
    const ticks = period.querySelector(".ticks");
    let left = 0, wide = WIDTH;
    const show = () => {
      wide = Math.min(WIDTH, Math.max(WIDTH * 1e-5, wide));
      left = Math.min(WIDTH - wide, Math.max(0, left));
      strips.forEach((strip) => strip.setAttribute("viewBox", `${left} 0 ${wide} 12`));
      ticks.replaceChildren(...[0, 0.25, 0.5, 0.75, 1].map((part) => {
        const tick = document.createElement("span");
        tick.textContent = `+${duration(((left + part * wide) / WIDTH) * span)}`;
        return tick;
      }));
    };
    const zoom = (factor, at = 0.5) => { left += (wide - wide * factor) * at; wide *= factor; show(); };
    const bar = document.createElement("div");
    bar.className = "zoom";
    bar.append(
      button("+", "zoom in", () => zoom(0.5)), button("−", "zoom out", () => zoom(2)),
      button("◂", "earlier", () => { left -= wide / 2; show(); }), button("▸", "later", () => { left += wide / 2; show(); }),
      button("all", "show all of it", () => { left = 0; wide = WIDTH; show(); }));
    period.querySelector(".axis").append(bar);
    strips.forEach((strip) => {
      let from = null;
      const place = (event) => { const box = strip.getBoundingClientRect(); return (event.clientX - box.left) / box.width; };
      strip.addEventListener("pointerdown", (event) => { from = event.pointerType === "touch" ? null : place(event); });
      strip.addEventListener("pointerup", (event) => {
        const to = place(event), far = from === null ? 0 : Math.abs(to - from);
        if (far > 0.01) { left += Math.min(from, to) * wide; wide *= far; show(); }
        from = null;
      });
      strip.addEventListener("wheel", (event) => {
        if (!event.ctrlKey) return;
        event.preventDefault();
        zoom(event.deltaY < 0 ? 0.7 : 1 / 0.7, place(event));
      }, { passive: false });
    });
    show();
  });

  const opened = () => {
    const place = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!place) return;
    for (let one = place; one; one = one.parentElement) if (one.tagName === "DETAILS") one.open = true;
    place.scrollIntoView();
  };
  addEventListener("hashchange", opened);
  if (location.hash) opened();
  let unfolded = [];
  addEventListener("beforeprint", () => {
    unfolded = [...document.querySelectorAll("details.step:not([open]), .card details:not([open])")];
    unfolded.forEach((one) => { one.open = true; });
  });
  addEventListener("afterprint", () => unfolded.forEach((one) => { one.open = false; }));
})();
