// Which attempts a waterfall compares, and against which. Python holds the choice: what is chosen here is sent to it, and it answers.

import { make } from "./frame_table.js";

function renderAttempts({ model, el }) {
  const summary = make("summary");
  const list = make("div", { class: "wsb-attempts", role: "group", "aria-label": "Attempts" });
  const own = make("input", { type: "checkbox", onchange: () => tell({ own_axis: own.checked }) });
  const every = make("button", { type: "button", onclick: () => tell({ chosen: content.attempts.map((_, at) => at) }) }, "all");
  const none = make("button", { type: "button", onclick: () => tell({ chosen: [] }) }, "only the baseline");
  const opened = make(
    "details",
    {},
    summary,
    make("div", { class: "wsb-bar" }, every, none, make("label", {}, own, " each on an axis of its own")),
    list,
  );
  const root = make("div", { class: "wsb-frames", "data-lm-suppress-shortcuts": "true" }, opened);
  root.addEventListener("keydown", (event) => event.stopPropagation());
  el.append(root);
  const group = `wsb-base-${Math.random()}`;
  let content = { attempts: [], chosen: [], baseline: 0, own_axis: false };

  function tell(change) {
    const { chosen, baseline, own_axis } = content;
    model.send({ kind: "choose", chosen, baseline, own_axis, ...change });
  }

  function line(attempt, at) {
    const { chosen, baseline } = content;
    const shown = make("input", { type: "checkbox", "aria-label": `Show ${attempt.name}`, "data-at": at });
    shown.checked = at === baseline || chosen.includes(at);
    shown.disabled = at === baseline;
    const base = make("input", { type: "radio", name: group, "aria-label": `Compare with ${attempt.name}`, "data-base": at });
    base.checked = at === baseline;
    shown.addEventListener("change", () => {
      const kept = chosen.filter((one) => one !== at);
      tell({ chosen: shown.checked ? [...kept, at].sort((a, b) => a - b) : kept });
    });
    base.addEventListener("change", () => tell({ baseline: at }));
    const name = make("label", { class: "wsb-attempt" }, shown, ` ${attempt.name}`);
    return [name, make("span", {}, attempt.ending), make("label", { class: "wsb-base" }, base, " baseline")];
  }

  function draw() {
    const { attempts, chosen, baseline, own_axis } = content;
    const focused = list.contains(document.activeElement) ? document.activeElement : null;
    const again = focused && (focused.dataset.at ? `[data-at="${focused.dataset.at}"]` : `[data-base="${focused.dataset.base}"]`);
    summary.textContent = `Compare attempts: ${new Set([baseline, ...chosen]).size} of ${attempts.length} chosen`;
    root.hidden = attempts.length < 2;
    own.checked = own_axis;
    list.replaceChildren(...attempts.flatMap(line));
    if (again) list.querySelector(again)?.focus(); // rows are made anew; who steers by keyboard stays where they were
  }

  function heardAttempts(message) {
    if (message.kind !== "attempts") return;
    content = message;
    draw();
  }

  model.on("msg:custom", heardAttempts);
  draw();
  model.send({ kind: "ask" });
  return () => model.off("msg:custom", heardAttempts);
}

export default { render: renderAttempts };
