// One frame in full: what it is, and its payload as JSON, text or bytes.

import { make, marked } from "./frame_table.js";
import { MARKS, bytesOf, closeWords, countText, durationText, hexDump, kindOf, opcodeWord, pretty, sizeText } from "./frame_words.js";

const WAYS = ["JSON", "text", "bytes"];
const MOST = 262_144;

function facts(row, before) {
  const what = `${row.direction} ${opcodeWord(row.opcode)}, ${sizeText(row.size)} at ${row.at_s.toFixed(4)} s`;
  const parts = [`${MARKS[kindOf(row)]} frame ${row.n}, ${what}`];
  if (row.wire !== null && row.wire !== undefined && row.wire !== row.size) parts.push(`${sizeText(row.wire)} on the wire`);
  if (before) parts.push(`${durationText(row.at_s - before.at_s)} after the one before`);
  if (row.opcode === 8) parts.push(closeWords(row.text) || "no close code");
  if (row.cut) parts.push(`the begin of the payload is kept, ${bytesOf(row).length.toLocaleString("en")} bytes`);
  return parts.join("; ");
}

export function frameDetail({ onclose }) {
  let wish = ""; // the way that was chosen; "" is the one that suits best
  let shown = null;
  const ways = WAYS.map((word) => make("button", { type: "button", "aria-pressed": "false", onclick: () => choose(word) }, word));
  const copy = make("button", { type: "button", onclick: () => navigator.clipboard?.writeText(content.textContent) }, "Copy");
  const close = make("button", { type: "button", "aria-label": "Close detail", onclick: () => onclose() }, "×");
  const about = make("p", { class: "wsb-about", "aria-live": "polite" });
  const content = make("pre", { class: "wsb-payload", tabindex: "0", "aria-label": "Payload" });
  const el = make(
    "section",
    { class: "wsb-detail", "aria-label": "Frame", hidden: true },
    make("div", { class: "wsb-bar" }, ...ways, copy, make("span", { class: "wsb-grow" }), close),
    about,
    content,
  );
  el.addEventListener("keydown", (event) => {
    if (event.key === "Escape") onclose();
  });

  function choose(word) {
    wish = word;
    if (shown) detail.show(...shown);
  }

  const detail = {
    el,
    content,
    /** before: the row before it, undefined for the first. search: what is marked. */
    show(row, before, search) {
      shown = [row, before, search];
      const json = row.hex ? null : pretty(row.text);
      const able = { JSON: json !== null, text: !row.hex, bytes: true };
      const way = able[wish] ? wish : WAYS.find((word) => able[word]);
      for (const [index, button] of ways.entries()) {
        button.disabled = !able[WAYS[index]];
        button.setAttribute("aria-pressed", String(WAYS[index] === way));
      }
      about.textContent = facts(row, before);
      const text = way === "JSON" ? json : way === "text" ? row.text : hexDump(bytesOf(row));
      const nodes = text ? marked(text.slice(0, MOST), way === "bytes" ? null : search) : [row.size ? "the payload was not kept" : "empty"];
      if (text.length > MOST) nodes.push(`\n… ${countText(text.length - MOST, "character")} more`);
      content.replaceChildren(...nodes);
      content.scrollTop = 0;
    },
  };
  return detail;
}
