// The table of frames: a grid of which only the rows in view are elements.

import { place } from "./frame_store.js";
import { MARKS, kindOf, opcodeWord, plain, sizeText } from "./frame_words.js";

const ROW_PX = 22;
const OVERSCAN = 6;
const CELL_CHARS = 300;
const LETTER_PX = 7.3;
const OTHER_COLUMNS_PX = 360;
const COLUMNS = ["#", "", "time (s)", "size", "kind", "text"];
let tables = 0;

/** An element with attributes and children; text only ever becomes text. */
export function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

/** The text as nodes, what the search finds in <mark>; at most so many of them. */
export function marked(text, search, most = 200) {
  const nodes = [];
  let at = 0;
  if (search) {
    search.lastIndex = 0;
    for (let found; nodes.length < most * 2 && (found = search.exec(text)); ) {
      if (!found[0]) {
        search.lastIndex++;
        continue;
      }
      nodes.push(plain(text.slice(at, found.index)), make("mark", {}, plain(found[0])));
      at = found.index + found[0].length;
    }
  }
  nodes.push(plain(text.slice(at)));
  return nodes;
}

/** What a cell with room for so many letters shows of a text: its begin, or the part around the first thing that the search finds. */
function excerpt(text, search, letters) {
  let begin = 0;
  if (search) {
    search.lastIndex = 0;
    const found = search.exec(text);
    if (found && found.index + found[0].length > letters) begin = Math.max(0, found.index - Math.floor(letters / 3));
  }
  const part = text.slice(begin, begin + CELL_CHARS).replace(/[\n\t]+/g, " ");
  return [begin ? `…${part}` : part, begin + CELL_CHARS < text.length];
}

export function frameTable(store, { onselect, onopen, onkey, onmoved }) {
  const name = `wsb-frames-${++tables}`;
  const body = make("div", { class: "wsb-rows", role: "rowgroup" });
  const spacer = make("div", { class: "wsb-spacer", role: "presentation" }, body);
  const head = make(
    "div",
    { class: "wsb-row wsb-head", role: "row", "aria-rowindex": "1" },
    ...COLUMNS.map((word) => make("div", { role: "columnheader", "aria-label": word || "direction" }, word)),
  );
  const grid = make(
    "div",
    { class: "wsb-grid", role: "grid", tabindex: "0", "aria-label": "Frames", "aria-colcount": String(COLUMNS.length) },
    head,
    spacer,
  );
  const pool = [];
  let selected = null; // n of the chosen row
  let frame = 0;
  let top = 0; // a page that takes the grid out of the document and back loses its place
  let isAway = false;

  function rowElement(index) {
    while (pool.length <= index) {
      const cells = COLUMNS.map((_, column) => make("div", { role: "gridcell", class: `wsb-c${column}` }));
      pool.push(make("div", { class: "wsb-row", role: "row", id: `${name}-${pool.length}` }, ...cells));
    }
    return pool[index];
  }

  function fill(element, position) {
    const row = store.rows[store.shown[position]];
    const [number, mark, time, size, kind, text] = element.children;
    const isSelected = row.n === selected;
    element.className = `wsb-row wsb-${kindOf(row)}${isSelected ? " wsb-selected" : ""}`;
    element.setAttribute("aria-rowindex", String(position + 2));
    element.setAttribute("aria-selected", String(isSelected));
    element.dataset.position = String(position);
    number.textContent = String(row.n);
    mark.textContent = MARKS[kindOf(row)] + (row.opcode >= 8 ? MARKS[row.direction] : "");
    mark.setAttribute("aria-label", row.opcode >= 8 ? `control, ${row.direction}` : row.direction);
    time.textContent = row.at_s.toFixed(4);
    size.textContent = sizeText(row.size);
    kind.textContent = opcodeWord(row.opcode);
    const [shown, more] = excerpt(row.text, store.search, Math.max(9, (grid.clientWidth - OTHER_COLUMNS_PX) / LETTER_PX));
    text.replaceChildren(...marked(shown, store.search, 20), ...(more || row.cut ? [make("span", { class: "wsb-more" }, "…")] : []));
    if (isSelected) grid.setAttribute("aria-activedescendant", element.id);
  }

  function render() {
    frame = 0;
    if (!grid.clientHeight) return;
    top = grid.scrollTop;
    const room = grid.clientHeight - ROW_PX; // the head stays in view
    const first = Math.max(0, Math.floor(grid.scrollTop / ROW_PX) - OVERSCAN);
    const last = Math.min(store.shown.length, Math.ceil((grid.scrollTop + room) / ROW_PX) + OVERSCAN);
    grid.removeAttribute("aria-activedescendant");
    grid.setAttribute("aria-rowcount", String(store.shown.length + 1));
    body.style.transform = `translateY(${first * ROW_PX}px)`;
    const elements = [];
    for (let position = first; position < last; position++) {
      const element = rowElement(position - first);
      fill(element, position);
      elements.push(element);
    }
    if (body.childElementCount !== elements.length) body.replaceChildren(...elements);
  }

  const table = { el: grid, follow: false };

  /** Draw soon; what follows the end goes there. */
  table.refresh = () => {
    frame ||= requestAnimationFrame(() => {
      spacer.style.height = `${store.shown.length * ROW_PX}px`;
      if (table.follow) grid.scrollTop = grid.scrollHeight;
      render();
    });
  };
  /** Position of the chosen row among those shown; -1 when it is none of them. */
  table.position = () => {
    const index = selected === null ? -1 : store.indexOf(selected);
    const at = place(store.shown, index);
    return index >= 0 && store.shown[at] === index ? at : -1;
  };
  table.selected = () => (selected === null ? undefined : store.rows[store.indexOf(selected)]);
  /** Choose the row of this number and bring it into view; null chooses none. */
  table.select = (n) => {
    const other = n !== selected;
    selected = n;
    const at = table.position();
    if (at >= 0) {
      const top = at * ROW_PX;
      const room = grid.clientHeight - 2 * ROW_PX;
      spacer.style.height = `${store.shown.length * ROW_PX}px`;
      if (top < grid.scrollTop) grid.scrollTop = top;
      else if (top > grid.scrollTop + room) grid.scrollTop = top - room + (other && top > grid.scrollTop + 3 * room ? room / 2 : 0);
    }
    table.refresh();
    if (other) onselect(table.selected());
  };
  /** Scroll to the chosen row, or to the begin when it is not among those shown. */
  table.reveal = () => {
    if (table.follow) return;
    spacer.style.height = `${store.shown.length * ROW_PX}px`;
    grid.scrollTop = Math.max(0, table.position() * ROW_PX - grid.clientHeight / 2);
    table.refresh();
  };
  table.move = (steps) => {
    if (!store.shown.length) return;
    const at = table.position();
    const from = at >= 0 ? at : steps > 0 ? -1 : store.shown.length;
    onmoved();
    table.select(store.rows[store.shown[Math.max(0, Math.min(store.shown.length - 1, from + steps))]].n);
  };

  grid.addEventListener("scroll", () => {
    const atEnd = grid.scrollTop + grid.clientHeight >= grid.scrollHeight - ROW_PX;
    if (table.follow && !atEnd) onmoved();
    frame ||= requestAnimationFrame(render);
  });
  grid.addEventListener("click", (event) => {
    const element = event.target.closest("[data-position]");
    const row = element && store.rows[store.shown[Number(element.dataset.position)]];
    if (!row) return;
    onmoved();
    table.select(row.n);
    onopen();
  });
  grid.addEventListener("keydown", (event) => {
    const page = Math.max(1, Math.floor(grid.clientHeight / ROW_PX) - 2);
    const steps = { ArrowUp: -1, ArrowDown: 1, PageUp: -page, PageDown: page, Home: -Infinity, End: Infinity }[event.key];
    if (steps !== undefined) table.move(steps);
    else if (!onkey(event)) return;
    event.preventDefault();
  });
  const resized = new ResizeObserver(() => {
    if (isAway && grid.clientHeight) grid.scrollTop = top;
    isAway = !grid.clientHeight;
    table.refresh();
  });
  resized.observe(grid);
  table.destroy = () => {
    resized.disconnect();
    cancelAnimationFrame(frame);
  };
  return table;
}
