// A list of frames as a picture and a table that belong together, with filter, search and one frame in full.

import { frameDetail } from "./frame_detail.js";
import { EVERYTHING, charsOf, frameStore, place, surplus } from "./frame_store.js";
import { frameTable, make } from "./frame_table.js";
import { frameTrace } from "./frame_trace.js";
import { countText, durationText, kindOf, pattern } from "./frame_words.js";

const LIMIT = 200_000;
const KINDS = ["data", "control", "text", "binary", "continuation", "close", "ping", "pong"];

function choice(label, options) {
  return make("select", { "aria-label": label }, ...options.map(([value, words]) => make("option", { value }, words)));
}

function sizeField(label, placeholder) {
  return make("input", { type: "number", min: "0", step: "1", "aria-label": label, placeholder, class: "wsb-size" });
}

/** What the frames are in one sentence; counts are kept by the caller. */
function sentence(counts, store) {
  if (!counts.all) return "no frame yet";
  const parts = [`${counts.sent.toLocaleString("en")} sent`, `${counts.received.toLocaleString("en")} received`];
  if (counts.control) parts.push(countText(counts.control, "control frame"));
  const dropped = store.dropped ? `; the first ${countText(store.dropped, "frame")} no longer kept` : "";
  return `${parts.join(", ")} in ${durationText(store.last_s - (store.dropped ? store.first_s : Math.min(0, store.first_s)))}${dropped}`;
}

/**
 * Show frames in an element.
 *
 * height: of table and detail, in px. live: rows go on coming, so there are follow and pause. limit: rows that are kept; the oldest go first.
 * A row is {n, at_s, direction, opcode, size, text, cut, hex, wire}: n counts from 1 upwards and is unique; size in bytes; cut: text is only
 * the begin; hex: text is the payload in hexadecimal; wire: bytes as they travelled, null unknown. Of a close frame text is "code reason".
 * onselect is called with the chosen row, or undefined.
 */
export function framesView(el, { height = 380, live = false, limit = LIMIT } = {}) {
  const counts = { all: 0, sent: 0, received: 0, control: 0 };
  let held = null; // rows that came while paused
  let heldChars = 0;
  let isOpen = false;

  const store = frameStore(limit, () => changed());
  const table = frameTable(store, {
    onselect: (row) => selected(row),
    onopen: () => open(true),
    onkey: (event) => key(event),
    onmoved: () => follow(false),
  });
  const trace = frameTrace(store, { onpick: (row) => pick(row), onrange: (range) => ranged(range) });
  const detail = frameDetail({ onclose: () => (open(false), table.el.focus()) });

  const direction = choice("Direction", [["", "▲▼ both"], ["sent", "▲ sent"], ["received", "▼ received"]]);
  const kind = choice("Kind", [["", "every kind"], ...KINDS.map((word) => [word, word])]);
  const least = sizeField("Smallest size in bytes", "≥ B");
  const most = sizeField("Largest size in bytes", "≤ B");
  const query = make("input", { type: "search", placeholder: "search ( / )", "aria-label": "Search", class: "wsb-search", spellcheck: "false" });
  const expression = make("button", { type: "button", "aria-pressed": "false", title: "Regular expression", "aria-label": "Regular expression" }, ".*");
  const only = make("button", { type: "button", "aria-pressed": "false", title: "Only rows that match" }, "only matches");
  const found = make("span", { class: "wsb-found", role: "status" });
  const previous = make("button", { type: "button", "aria-label": "Previous match", title: "Previous match (Shift+Enter)", onclick: () => jump(-1) }, "↑");
  const next = make("button", { type: "button", "aria-label": "Next match", title: "Next match (Enter)", onclick: () => jump(1) }, "↓");
  const jumping = make("span", { class: "wsb-span" }, previous, next, found);
  const span = make("span", { class: "wsb-span", hidden: true });
  const following = make("button", { type: "button", "aria-pressed": String(live), hidden: !live, onclick: () => follow(!table.follow) }, "follow");
  const pausing = make("button", { type: "button", "aria-pressed": "false", hidden: !live, onclick: () => view.pause(held === null) }, "pause");
  const status = make("p", { class: "wsb-status", role: "status" });
  const root = make(
    "div",
    // Lumino asks for this attribute before it looks for a shortcut: keys typed here are ours
    { class: "wsb-frames", "data-lm-suppress-shortcuts": "true", style: `--wsb-height:${Number(height)}px` },
    status,
    trace.el,
    make(
      "div",
      { class: "wsb-bar", role: "toolbar", "aria-label": "Filter and search" },
      direction, kind, least, most, query, expression, only, jumping, span, make("span", { class: "wsb-grow" }), following, pausing,
    ),
    make("div", { class: "wsb-panes" }, table.el, detail.el),
  );
  root.addEventListener("keydown", (event) => event.stopPropagation());
  el.append(root);

  function changed() {
    table.refresh();
    trace.refresh();
    tell();
  }

  function tell() {
    const filtered = store.shown.length < store.rows.length ? `; ${store.shown.length.toLocaleString("en")} shown` : "";
    const waiting = held ? `; paused, ${held.length.toLocaleString("en")} waiting` : "";
    status.textContent = sentence(counts, store) + filtered + waiting;
    trace.canvas.setAttribute("aria-label", `Frames by time: ${status.textContent}. Arrow keys choose a frame, with Shift a range of time.`);
    const index = store.indexOf(table.selected()?.n ?? -1);
    const at = place(store.hits, index);
    const number = index >= 0 && store.hits[at] === index ? `${(at + 1).toLocaleString("en")} of ` : "";
    found.textContent = store.search ? `${number}${store.hits.length.toLocaleString("en")} match${store.hits.length === 1 ? "" : "es"}` : "";
    previous.disabled = next.disabled = !store.hits.length;
  }

  function filter() {
    const search = pattern(query.value, expression.getAttribute("aria-pressed") === "true");
    const isWrong = search instanceof Error;
    query.setAttribute("aria-invalid", String(isWrong));
    query.title = isWrong ? "not a regular expression" : "";
    store.search = isWrong ? null : search;
    Object.assign(store.filter, {
      direction: direction.value,
      kind: kind.value,
      least: least.value === "" ? EVERYTHING.least : Number(least.value),
      most: most.value === "" ? EVERYTHING.most : Number(most.value),
      only: only.getAttribute("aria-pressed") === "true",
    });
    store.rescan();
    table.reveal();
    if (isWrong) found.textContent = "not a regular expression";
    if (isOpen) selected(table.selected());
  }

  function toggle(button) {
    button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
    filter();
  }

  /** Go to the match after or before the chosen row, around the ends. */
  function jump(step) {
    if (!store.hits.length) return;
    const index = store.indexOf(table.selected()?.n ?? -1);
    const at = place(store.hits, index);
    const isHit = store.hits[at] === index;
    const to = step > 0 ? at + (isHit ? 1 : 0) : at - 1;
    follow(false);
    table.select(store.rows[store.hits[(to + store.hits.length) % store.hits.length]].n);
  }

  function selected(row) {
    trace.select(row);
    tell();
    if (row && isOpen) detail.show(row, store.rows[store.indexOf(row.n) - 1], store.search);
    if (!row) open(false);
    view.onselect?.(row);
  }

  function open(wanted) {
    isOpen = wanted && table.selected() !== undefined;
    detail.el.hidden = !isOpen;
    if (isOpen) detail.show(table.selected(), store.rows[store.indexOf(table.selected().n) - 1], store.search);
    table.refresh();
  }

  function pick(row) {
    follow(false);
    table.select(row.n);
  }

  function ranged(range) {
    [store.filter.from, store.filter.to] = range ?? [-Infinity, Infinity];
    trace.mark(range);
    const words = range ? `${range[0].toFixed(3)} to ${range[1].toFixed(3)} s` : "";
    const zoom = make("button", { type: "button", "aria-pressed": String(trace.isZoomed()), onclick: () => zoomed(range) }, "zoom");
    const clear = make("button", { type: "button", "aria-label": "Clear the range of time", onclick: () => (trace.zoom(null), ranged(null)) }, "×");
    span.replaceChildren(words, zoom, clear);
    span.hidden = !range;
    store.rescan();
    table.reveal();
  }

  function zoomed(range) {
    trace.zoom(trace.isZoomed() ? null : range);
    ranged(range);
  }

  function follow(wanted) {
    if (!live || table.follow === wanted) return;
    table.follow = wanted;
    following.setAttribute("aria-pressed", String(wanted));
    table.refresh();
  }

  /** Do what a key in the table asks for; false when it asks for nothing. */
  function key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return false;
    if (event.key === "/") query.focus();
    else if (event.key === "n" || event.key === "N") jump(event.key === "n" ? 1 : -1);
    else if (event.key === "Enter" && !event.shiftKey) {
      if (!table.selected()) table.move(1);
      open(true);
    } else if (event.key === "Escape" && isOpen) open(false);
    else return false;
    return true;
  }

  trace.canvas.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step && event.shiftKey) {
      const [from, to] = trace.span();
      const [begin, end] = Number.isFinite(store.filter.from) ? [store.filter.from, store.filter.to] : [from, from];
      ranged([begin, Math.max(begin, Math.min(to, end + (step * (to - from)) / 50))]);
    } else if (step) table.move(step);
    else if (event.key === "Home" || event.key === "End") table.move(event.key === "Home" ? -Infinity : Infinity);
    else if (event.key === "Enter") open(true);
    else if (event.key === "Escape") {
      trace.zoom(null);
      ranged(null);
    } else return;
    event.preventDefault();
  });
  for (const field of [direction, kind, least, most]) field.addEventListener("input", filter);
  for (const button of [expression, only]) button.addEventListener("click", () => toggle(button));
  query.addEventListener("input", filter);
  query.addEventListener("keydown", (event) => {
    if (event.key === "Enter") jump(event.shiftKey ? -1 : 1);
    else if (event.key === "Escape") {
      query.value = "";
      filter();
      table.el.focus();
    } else return;
    event.preventDefault();
  });

  const view = {
    onselect: null,
    /** Add rows at the end; a paused view shows them later. */
    append(rows) {
      if (held) {
        for (const row of rows) held.push(row);
        heldChars += charsOf(rows);
        const gone = held.splice(0, surplus(held, limit, heldChars));
        heldChars -= charsOf(gone);
        store.dropped += gone.length;
        return tell();
      }
      for (const row of rows) counts[kindOf(row)]++;
      counts.all += rows.length;
      const chosen = table.selected();
      store.append(rows);
      if (chosen && !table.selected()) table.select(null); // it was among the oldest
    },
    clear() {
      Object.assign(counts, { all: 0, sent: 0, received: 0, control: 0 });
      held = held && [];
      heldChars = 0;
      table.select(null);
      store.clear();
      trace.zoom(null);
      trace.end(null);
      ranged(null);
    },
    /** Choose the row with this number and bring it into view. */
    select(n) {
      pick({ n });
    },
    /** Mark in the picture when and how the socket ended, {at_s, words}, where no close frame says it; null marks nothing. */
    end(value) {
      trace.end(value);
    },
    /** Hold rows back, or show those that were held back. */
    pause(wanted) {
      const rows = held;
      held = wanted ? (held ?? []) : null;
      heldChars = wanted ? heldChars : 0;
      pausing.setAttribute("aria-pressed", String(wanted));
      if (!wanted && rows?.length) view.append(rows);
      tell();
    },
    /** Rows that are kept, pass the filter, are found, wait, and were dropped. */
    counts: () => ({ rows: store.rows.length, shown: store.shown.length, hits: store.hits.length, held: held?.length ?? 0, dropped: store.dropped }),
    /** The rows that are kept, in order. */
    rows: () => store.rows,
    destroy() {
      table.destroy();
      trace.destroy();
      root.remove();
    },
  };

  table.follow = live;
  changed();
  return view;
}
