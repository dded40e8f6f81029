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
  document.querySelectorAll(".diff").forEach((diff) => {
    const button = document.createElement("button");
    button.className = "copy";
    button.type = "button";
    button.textContent = "copy";
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(diff.querySelector("pre").dataset.copy);
      button.textContent = "copied";
    });
    diff.append(button);
  });
  const opened = () => {
    const place = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (place && place.tagName === "DETAILS") place.open = true;
  };
  addEventListener("hashchange", opened);
  opened();
  addEventListener("beforeprint", () => document.querySelectorAll(".steps details, .card details").forEach((d) => { d.open = true; }));
})();
