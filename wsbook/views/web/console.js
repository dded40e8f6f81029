// The live console: connect, talk and close by hand; every frame goes to the frames' view.

import { make } from "./frame_table.js";
import { framesView } from "./frames.js";

const CONSOLE_ROWS = 100_000;
const STATE_MARKS = { open: "✓", closing: "…", connecting: "…", refused: "✗", ended: "■", new: "·" };
const ROW_FIELDS = ["n", "at_s", "direction", "opcode", "size", "text", "cut", "hex", "wire"];
const OPEN_PLACE = /‹[^‹›\n]+›/;
const REMEMBERED = 100;
let fields = 0;

/** Rows as they travel are lists; of a million the names of their fields would be half. */
function rowsOf(buffer) {
  const lists = JSON.parse(new TextDecoder().decode(buffer));
  return lists.map((list) => Object.fromEntries(ROW_FIELDS.map((name, index) => [name, list[index]])));
}

/** A field with its label beside it, not around it: a label around a select would be called by all of its options. */
function labelled(words, field) {
  field.id ||= `wsb-field-${++fields}`;
  return make("span", { class: "wsb-field" }, make("label", { for: field.id }, words), field);
}

function check(words, checked) {
  const box = make("input", { type: "checkbox", checked });
  return [box, make("label", { class: "wsb-check" }, box, make("span", {}, words))];
}

function fill(select, options) {
  const before = select.value;
  select.replaceChildren(...options.map(([value, words]) => make("option", { value }, words)));
  if (options.some(([value]) => value === before)) select.value = before;
}

/** What is dialled: where, and how the handshake differs from the target's. */
function dialling(ask) {
  const place = make("select", { "aria-label": "Place" });
  const url = make("input", { type: "text", "aria-label": "Endpoint", placeholder: "ws://host[:port]/path", spellcheck: "false", class: "wsb-url" });
  const connect = make("button", { type: "button", class: "wsb-primary" }, "Connect");
  const origin = make("input", { type: "text", spellcheck: "false", placeholder: "none is sent" });
  const subprotocols = make("input", { type: "text", spellcheck: "false", placeholder: "none" });
  const [own, ownLabel] = check("headers of the target", true);
  const [compression, compressionLabel] = check("offer compression", true);
  const [heartbeats, heartbeatsLabel] = check("answer heartbeats of the dialect", false);
  const more = make(
    "details",
    { class: "wsb-handshake" },
    make("summary", {}, "Handshake"),
    make("div", { class: "wsb-line" }, labelled("Origin", origin), labelled("subprotocols", subprotocols)),
    make("div", { class: "wsb-line" }, ownLabel, compressionLabel, heartbeatsLabel),
  );
  let offered = null;

  function dial() {
    ask({
      kind: "open",
      url: url.value,
      origin: origin.value,
      subprotocols: subprotocols.value,
      own_headers: own.checked,
      compression: compression.checked,
      heartbeats: heartbeats.checked,
    });
  }
  connect.addEventListener("click", dial);
  for (const field of [url, origin, subprotocols]) {
    field.addEventListener("keydown", (event) => event.key === "Enter" && !connect.disabled && dial());
  }
  place.addEventListener("change", () => (url.value = place.value));

  return {
    el: make("div", {}, make("div", { class: "wsb-line" }, place, url, connect), more),
    connect,
    /** Take what the case offers; what was typed stays while the case stays. */
    offer(told) {
      fill(place, told.places.map(([name, where]) => [where, name]));
      place.hidden = told.places.length < 2;
      ownLabel.hidden = !told.headers.length;
      ownLabel.lastChild.textContent = `headers of the target: ${told.headers.join(", ")}`;
      const key = JSON.stringify([told.places, told.origin, told.subprotocols, told.headers]);
      if (key === offered) return;
      offered = key;
      url.value = told.places[0]?.[1] ?? "";
      origin.value = told.origin;
      subprotocols.value = told.subprotocols;
      heartbeats.checked = told.heartbeats;
    },
  };
}

/** What is said: a message with its form, from a template or typed. */
function composing(ask) {
  const template = make("select");
  const form = make("select");
  const ending = make("select");
  const about = make("p", { class: "wsb-hint" });
  const text = make("textarea", {
    rows: "3", "aria-label": "Message", spellcheck: "false", placeholder: "message; Enter sends, Shift+Enter breaks the line, ↑ brings back what was sent",
  });
  const send = make("button", { type: "button", class: "wsb-primary", title: "Enter" }, "Send");
  const ping = make("button", { type: "button", onclick: () => ask({ kind: "ping" }) }, "Ping");
  const endingLabel = labelled("ends with", ending);
  const history = [];
  let templates = [];
  let back = 0; // how far up in the history

  function fit() {
    text.rows = Math.min(12, Math.max(3, text.value.split("\n").length));
    endingLabel.hidden = form.value === "hex" || form.value === "base64";
  }

  function put(content) {
    text.value = content;
    fit();
  }

  function toPlace() {
    const found = OPEN_PLACE.exec(text.value);
    text.focus();
    if (found) text.setSelectionRange(found.index, found.index + found[0].length);
  }

  function say() {
    const said = { content: text.value, form: form.value, ending: ending.value };
    const last = history[history.length - 1];
    if (JSON.stringify(last) !== JSON.stringify(said)) history.push(said);
    if (history.length > REMEMBERED) history.shift();
    back = 1; // what stands in the field is the newest of them
    ask({ kind: "send", ...said });
  }

  function recall(step) {
    const to = back + step;
    if (to < 0 || to > history.length) return false;
    back = to;
    const said = back ? history[history.length - back] : { content: "", form: form.value, ending: ending.value };
    [form.value, ending.value] = [said.form, said.ending];
    put(said.content);
    return true;
  }

  template.addEventListener("change", () => {
    const chosen = templates[Number(template.value)];
    about.textContent = chosen ? [chosen.means, chosen.needs && `needs ${chosen.needs}`].filter(Boolean).join("; ") : "";
    about.title = chosen?.source ?? "";
    if (!chosen) return;
    back = 0;
    [form.value, ending.value] = [chosen.form, chosen.ending];
    put(chosen.content);
    toPlace();
  });
  form.addEventListener("change", fit);
  text.addEventListener("input", fit);
  send.addEventListener("click", say);
  text.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (event.key === "Enter" && !event.shiftKey) say();
    else if (event.key === "ArrowUp" && text.selectionStart === 0 && recall(1)) text.setSelectionRange(0, 0);
    else if (event.key === "ArrowDown" && back && text.selectionEnd === text.value.length && recall(-1));
    else return;
    event.preventDefault();
  });

  return {
    el: make(
      "div",
      { class: "wsb-compose" },
      make("div", { class: "wsb-line" }, labelled("template", template), labelled("form", form), endingLabel),
      about,
      make("div", { class: "wsb-line wsb-message" }, text, make("div", { class: "wsb-buttons" }, send, ping)),
    ),
    send,
    ping,
    toPlace,
    /** What was sent stays, chosen: Enter sends it again, and the next key replaces it. */
    sent: () => document.activeElement === text && text.select(),
    offer(told) {
      templates = told.templates;
      const groups = new Map();
      templates.forEach((one, index) => {
        if (!groups.has(one.dialect)) groups.set(one.dialect, make("optgroup", { label: one.dialect }));
        groups.get(one.dialect).append(make("option", { value: String(index) }, one.name));
      });
      template.replaceChildren(make("option", { value: "" }, "choose a message to begin with"), ...groups.values());
      fill(form, Object.entries(told.forms));
      fill(ending, Object.entries(told.endings));
      fit();
    },
  };
}

/** How it ends. */
function ending(ask) {
  const codes = make("datalist", { id: `wsb-codes-${++fields}` });
  const code = make("input", { type: "text", inputmode: "numeric", value: "1000", list: codes.id, class: "wsb-code" });
  const reason = make("input", { type: "text", placeholder: "no reason", class: "wsb-reason" });
  const close = make("button", { type: "button" }, "Close");
  for (const one of ["1000", "1001", "1011", "3000", "4000"]) codes.append(make("option", { value: one }));

  function end() {
    const typed = code.value.trim();
    ask({ kind: "close", code: typed === "" ? null : Number.isInteger(Number(typed)) ? Number(typed) : -1, reason: reason.value });
  }
  close.addEventListener("click", end);
  for (const field of [code, reason]) field.addEventListener("keydown", (event) => event.key === "Enter" && !close.disabled && end());
  return { el: make("div", { class: "wsb-line" }, labelled("close code", code), labelled("reason", reason), close, codes), close };
}

function render({ model, el }) {
  const ask = (message) => model.send(message);
  const dial = dialling(ask);
  const compose = composing(ask);
  const end = ending(ask);
  const state = make("p", { class: "wsb-state", role: "status" });
  const stages = make("ol", { class: "wsb-stages", "aria-label": "Stages of the handshake" });
  const note = make("p", { class: "wsb-note", role: "status" });
  const file = make("span", { class: "wsb-file" });
  const save = make("button", { type: "button", onclick: () => ask({ kind: "export" }) }, "Export as HAR");
  const list = make("div", { class: "wsb-list" });
  end.el.append(make("span", { class: "wsb-grow" }), save);
  const root = make(
    "section",
    // Lumino asks for this attribute before it looks for a shortcut: keys typed here are ours
    { class: "wsb-frames wsb-console", "data-lm-suppress-shortcuts": "true", "aria-label": "Live console" },
    dial.el, state, stages, list, compose.el, end.el, note, file,
  );
  root.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key !== "Escape" || event.defaultPrevented) return;
    document.activeElement?.blur();
    root.closest(".jp-Notebook")?.focus();
  });
  el.append(root);

  const frames = framesView(list, { height: 300, live: true, limit: CONSOLE_ROWS });
  let connection = 0;
  let last = 0; // number of the newest row that is here
  let copy = "";

  const hear = {
    hello(told) {
      dial.offer(told);
      compose.offer(told);
    },
    begin(told) {
      connection = told.connection;
      last = 0;
      frames.clear();
      say("", true);
      file.replaceChildren();
    },
    rows(told, buffers) {
      if (told.connection !== connection) hear.begin(told);
      const rows = rowsOf(buffers[0]).filter((row) => row.n > last);
      if (rows.length) {
        last = rows[rows.length - 1].n;
        frames.append(rows);
      }
      ask({ kind: "ack", n: last, connection });
    },
    state(told) {
      const lost = told.lost ? `; ${told.lost.toLocaleString("en")} came while nobody looked and are no longer kept` : "";
      root.dataset.state = told.state;
      const words = `${STATE_MARKS[told.state] ?? ""} ${told.words}${lost}`;
      if (state.textContent !== words) state.textContent = words; // said aloud when it changes
      stages.replaceChildren(
        ...told.stages.map(([name, time, good]) => make("li", { class: good ? "" : "wsb-stopped" }, `${name} ${good ? time : `✗ ${time}`}`)),
      );
      if (told.sizes) stages.append(make("li", { class: "wsb-sizes" }, told.sizes));
      stages.hidden = !told.stages.length;
      const isOpen = told.state === "open";
      dial.connect.disabled = ["open", "closing", "connecting"].includes(told.state);
      for (const button of [compose.send, compose.ping, end.close]) button.disabled = !isOpen;
      save.disabled = ["new", "connecting"].includes(told.state);
    },
    said(told) {
      say(told.words, told.good);
      if (told.good && told.of === "send") compose.sent();
      if (!told.good && told.of === "send" && OPEN_PLACE.test(told.words)) compose.toPlace();
    },
    file(told, buffers) {
      file.replaceChildren(`${told.path}: ${told.words} `);
      if (copy) URL.revokeObjectURL(copy);
      copy = buffers.length ? URL.createObjectURL(new Blob([buffers[0]], { type: "application/json" })) : "";
      if (copy) file.append(make("a", { href: copy, download: told.name }, "save a copy"));
    },
  };

  function say(words, good) {
    note.textContent = words && `${good ? "✓" : "✗"} ${words}`;
    note.dataset.good = String(good);
  }

  const heard = (message, buffers) => hear[message.kind]?.(message, buffers);
  model.on("msg:custom", heard);
  hear.state({ state: "new", words: "not connected", stages: [] });
  ask({ kind: "hello" });
  root.wsbConsole = { rows: frames.rows, counts: frames.counts }; // for whoever looks from outside

  return () => {
    model.off("msg:custom", heard);
    if (copy) URL.revokeObjectURL(copy);
    frames.destroy();
    root.remove();
  };
}

export default { render };
