// The frames of sockets that were recorded: which socket, how it ended, and its frames. Python answers what is asked by messages.

import { make } from "./frame_table.js";
import { framesView } from "./frames.js";

function renderRecorded({ model, el }) {
  const me = `${Date.now()}-${Math.random()}`; // several views of one widget ask for themselves
  const picker = make("select", { "aria-label": "Socket", onchange: () => ask(Number(picker.value)) });
  const choice = make("label", { class: "wsb-bar", hidden: true }, "socket", picker);
  const about = make("p", { class: "wsb-about" });
  const above = make("div", { class: "wsb-frames", "data-lm-suppress-shortcuts": "true" }, choice, about);
  const place = make("div");
  el.classList.add("wsb-recorded");
  el.append(above, place);
  const view = framesView(place, { height: 330 });
  const ask = (socket) => model.send({ kind: "ask", view: me, socket });

  function heard(content) {
    if (content.kind !== "socket" || content.view !== me) return;
    picker.replaceChildren(...content.names.map((name, at) => make("option", { value: at, selected: at === content.socket }, name)));
    choice.hidden = content.names.length < 2;
    about.textContent = content.about;
    view.clear();
    view.append(content.rows);
    view.end(content.end);
  }

  model.on("msg:custom", heard);
  ask(0);
  return () => {
    model.off("msg:custom", heard);
    view.destroy();
  };
}

export default { render: renderRecorded };
