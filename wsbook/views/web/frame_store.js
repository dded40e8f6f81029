// The frames that are kept, and which of them pass the filter and the search. No DOM.

import { opcodeWord } from "./frame_words.js";

const SLICE_MS = 10;
const GAP_S = 0.05;
const FEW = 64;
/** Characters of text that are kept of all rows together. */
export const ALL_CHARS = 64 * 1024 * 1024;

export const EVERYTHING = { direction: "", kind: "", least: 0, most: Infinity, from: -Infinity, to: Infinity, only: false };

function passes(row, filter) {
  if (filter.direction && row.direction !== filter.direction) return false;
  if (row.size < filter.least || row.size > filter.most || row.at_s < filter.from || row.at_s > filter.to) return false;
  if (!filter.kind) return true;
  if (filter.kind === "data" || filter.kind === "control") return row.opcode >= 8 === (filter.kind === "control");
  return opcodeWord(row.opcode) === filter.kind;
}

/** The position of a number in an ascending list, or of the first greater one. */
export function place(list, value, of = (one) => one) {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (of(list[middle]) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** How many of the oldest rows have to go, so that a quarter is free again; 0 while they are within both bounds. */
export function surplus(rows, limit, chars) {
  if (rows.length <= limit && chars <= ALL_CHARS) return 0;
  let count = Math.max(0, rows.length - Math.ceil(limit * 0.75));
  for (let left = chars - charsOf(rows.slice(0, count)); count < rows.length - 1 && left > ALL_CHARS * 0.75; count++) left -= rows[count].text.length;
  return count;
}

export function charsOf(rows) {
  return rows.reduce((sum, row) => sum + row.text.length, 0);
}

/**
 * rows: all that are kept, at most limit, and of text ALL_CHARS; the oldest go first, and dropped counts them. shown: indexes of the
 * rows that pass the filter; hits: of those that the search finds too. closes: the last close frames; gaps: the longest spells between
 * two rows, each [begin, end] in s. changed is called after each slice of a scan.
 */
export function frameStore(limit, changed) {
  let scan = 0;
  let done = 0; // rows before this index have been looked at
  let chars = 0; // of all rows

  const store = { rows: [], shown: [], hits: [], closes: [], gaps: [], dropped: 0, first_s: 0, last_s: 0, search: null };
  store.filter = { ...EVERYTHING };

  function look(index) {
    const row = store.rows[index];
    if (!passes(row, store.filter)) return;
    let found = false;
    if (store.search) {
      store.search.lastIndex = 0;
      found = store.search.test(row.text);
      if (found) store.hits.push(index);
    }
    if (found || !store.filter.only || !store.search) store.shown.push(index);
  }

  function slice(mine) {
    if (mine !== scan) return;
    const end = performance.now() + SLICE_MS;
    while (done < store.rows.length) {
      for (const stop = Math.min(done + 256, store.rows.length); done < stop; done++) look(done);
      if (performance.now() > end) break;
    }
    if (done < store.rows.length) setTimeout(slice, 0, mine);
    changed();
  }

  /** Note what the picture tells of all rows, so that no drawing has to look for it. */
  function note(row, before) {
    if (row.opcode === 8) store.closes = [...store.closes.slice(1 - FEW), row];
    if (!before || row.at_s - before.at_s < GAP_S) return;
    store.gaps.push([before.at_s, row.at_s]);
    if (store.gaps.length < 2 * FEW) return;
    store.gaps.sort((one, other) => other[1] - other[0] - (one[1] - one[0])).length = FEW;
  }

  function forget(count) {
    chars -= charsOf(store.rows.splice(0, count));
    for (const name of ["shown", "hits"]) {
      store[name] = store[name].slice(place(store[name], count)).map((index) => index - count);
    }
    store.dropped += count;
    done = Math.max(0, done - count);
    store.first_s = store.rows[0]?.at_s ?? 0;
    store.gaps = store.gaps.filter(([begin]) => begin >= store.first_s);
    store.closes = store.closes.filter((row) => row.at_s >= store.first_s);
  }

  store.append = (rows) => {
    const idle = done === store.rows.length;
    for (const row of rows) {
      if (!store.rows.length) store.first_s = store.last_s = row.at_s;
      note(row, store.rows.at(-1));
      store.rows.push(row);
      chars += row.text.length;
      if (row.at_s > store.last_s) store.last_s = row.at_s;
    }
    if (idle) for (; done < store.rows.length; done++) look(done);
    const count = surplus(store.rows, limit, chars);
    if (count) forget(count);
    changed();
  };
  /** Look at every row again, in slices that leave the page free between them. */
  store.rescan = () => {
    store.shown = [];
    store.hits = [];
    done = 0;
    slice(++scan);
  };
  store.clear = () => {
    store.rows = [];
    store.closes = [];
    store.gaps = [];
    chars = store.dropped = 0;
    store.first_s = store.last_s = 0;
    store.rescan();
  };
  store.scanned = () => done === store.rows.length;
  store.indexOf = (n) => {
    const index = place(store.rows, n, (row) => row.n);
    return store.rows[index]?.n === n ? index : -1;
  };
  return store;
}
