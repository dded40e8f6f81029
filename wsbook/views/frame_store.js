// The frames that are kept, and which of them pass the filter and the search. No DOM.

import { opcodeWord } from "./frame_words.js";

const SLICE_MS = 10;

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

/**
 * rows: all that are kept, at most limit; the oldest go first, and dropped counts them. shown: indexes of the rows that pass the
 * filter; hits: of those that the search finds too. changed is called after each slice of a scan.
 */
export function frameStore(limit, changed) {
  let scan = 0;
  let done = 0; // rows before this index have been looked at

  const store = { rows: [], shown: [], hits: [], dropped: 0, filter: { ...EVERYTHING }, search: null, first_s: 0, last_s: 0 };

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

  function forget(count) {
    store.rows.splice(0, count);
    for (const name of ["shown", "hits"]) {
      store[name] = store[name].slice(place(store[name], count)).map((index) => index - count);
    }
    store.dropped += count;
    done = Math.max(0, done - count);
    store.first_s = store.rows[0]?.at_s ?? 0;
  }

  store.append = (rows) => {
    const idle = done === store.rows.length;
    for (const row of rows) {
      if (!store.rows.length) store.first_s = store.last_s = row.at_s;
      store.rows.push(row);
      if (row.at_s > store.last_s) store.last_s = row.at_s;
    }
    if (idle) for (; done < store.rows.length; done++) look(done);
    if (store.rows.length > limit) forget(store.rows.length - Math.ceil(limit * 0.75));
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
    store.dropped = 0;
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
