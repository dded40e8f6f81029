// The picture of frames by time: sent up, received down, height by log size, control frames on the line between.

import { make } from "./frame_table.js";
import { MARKS, closeWords, durationText, kindOf, opcodeWord, plain, sizeText } from "./frame_words.js";

const HEIGHT = 144;
const LEFT = 54;
const RIGHT = 14;
const TOP = 24;
const BOTTOM = 18;
const REACH_PX = 9;
const SMALL_SIZES = [10, 100];
const SIZES = [10, 1_024, 102_400, 10_485_760];
const LANES = ["sent", "control", "received"];
const STEPS = [1, 2, 5, 10];

function logSize(bytes) {
  return Math.log10(bytes + 1) + 0.15;
}

/** A round step that divides a span into about count parts. */
function roundStep(span, count) {
  const rough = span / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  return power * STEPS.find((step) => step * power >= rough * 0.999);
}

function colours(el) {
  const style = getComputedStyle(el);
  const read = (name) => style.getPropertyValue(`--wsb-${name}`).trim();
  return Object.fromEntries(["ink", "faint", "band", "sent", "received", "control", "warning", "accent", "background"].map((name) => [name, read(name)]));
}

/** The longest spells without a frame, of which each takes an eighth of the span at least; ended_s: when the socket ended, null unknown. */
function silences(store, from, to, ended_s) {
  const least = Math.max((to - from) / 8, 0.05);
  const last = ended_s !== null && store.rows.length ? [[store.last_s, ended_s]] : [];
  return [...store.gaps, ...last]
    .filter(([begin, end]) => end - begin >= least && end > from && begin < to)
    .sort((one, other) => other[1] - other[0] - (one[1] - one[0]))
    .slice(0, 3);
}

/** For each pixel and lane the largest frame: its index and size; at most one stick a pixel is drawn however many frames there are. */
function binned(store, width, x) {
  const bins = Object.fromEntries(LANES.map((lane) => [lane, { index: new Int32Array(width).fill(-1), size: new Float32Array(width) }]));
  const rest = { sent: new Float32Array(width), received: new Float32Array(width), control: new Float32Array(width) };
  const hits = new Uint8Array(width);
  const isAll = store.shown.length === store.rows.length;
  if (!isAll) {
    for (const row of store.rows) {
      const at = Math.round(x(row.at_s));
      const lane = rest[kindOf(row)];
      if (at >= 0 && at < width) lane[at] = Math.max(lane[at], logSize(row.size));
    }
  }
  for (const index of store.shown) {
    const row = store.rows[index];
    const at = Math.round(x(row.at_s));
    if (at < 0 || at >= width) continue;
    const lane = bins[kindOf(row)];
    const size = row.opcode === 8 ? 1e6 : logSize(row.size); // a close is what a pixel shows first
    if (size > lane.size[at]) [lane.size[at], lane.index[at]] = [size, index];
  }
  for (const index of store.hits) {
    const at = Math.round(x(store.rows[index].at_s));
    if (at >= 0 && at < width) hits[at] = 1;
  }
  return { bins, rest, hits };
}

export function frameTrace(store, { onpick, onrange }) {
  const canvas = make("canvas", { class: "wsb-canvas", tabindex: "0", role: "img" });
  const tip = make("div", { class: "wsb-tip", hidden: true, role: "presentation" });
  const el = make("div", { class: "wsb-trace" }, canvas, tip);
  const pen = canvas.getContext("2d");
  let drawn = null; // what the last drawing knows: scale, bins
  let zoom = null;
  let range = null;
  let drag = null;
  let selected;
  let ended = null; // {at_s, words} of a socket whose end is known otherwise than by a close frame
  let timer = 0;
  let cost_ms = 0; // of the last drawing: what is dear is drawn less often

  function span() {
    if (zoom) return zoom;
    const begin = store.dropped ? store.first_s : Math.min(0, store.first_s);
    const last = Math.max(store.last_s, ended?.at_s ?? 0, begin + 1e-3);
    return [begin, last + (last - begin) * 0.01];
  }

  function draw() {
    timer = 0;
    canvas.setAttribute("aria-busy", "false");
    const width = el.clientWidth;
    if (!width) return;
    const begin = performance.now();
    const ratio = window.devicePixelRatio || 1;
    if (canvas.width !== Math.round(width * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(HEIGHT * ratio);
    }
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, HEIGHT);
    const colour = colours(el);
    pen.font = `11px ${getComputedStyle(el).fontFamily}`;
    const [from, to] = span();
    const room = Math.max(10, width - LEFT - RIGHT);
    const x = (at_s) => LEFT + ((at_s - from) / (to - from)) * room;
    const { bins, rest, hits } = binned(store, width, x);
    const most = Math.max(logSize(100), ...bins.sent.size, ...bins.received.size, ...rest.sent, ...rest.received);
    const middle = TOP + (HEIGHT - TOP - BOTTOM) / 2;
    const half = (HEIGHT - TOP - BOTTOM) / 2 - 2;
    const y = (size) => (size / most) * half;
    drawn = { x, from, to, room, bins, middle, y };

    drawAxes(colour, width, middle, y, most);
    drawSilences(colour, middle);
    pen.save();
    pen.beginPath();
    pen.rect(LEFT - 6, 0, width - LEFT + 6, HEIGHT);
    pen.clip();
    drawFrames(colour, bins, rest, middle, y);
    drawCloses(colour, width);
    pen.fillStyle = colour.warning;
    for (let at = 0; at < width; at++) if (hits[at]) pen.fillRect(at - 1, 0, 2, 4);
    drawChosen(colour, middle, y);
    pen.restore();
    cost_ms = performance.now() - begin;
  }

  function drawAxes(colour, width, middle, y, most) {
    pen.lineWidth = 1;
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    for (const size of (most < logSize(1_000) ? SMALL_SIZES : SIZES).filter((one) => logSize(one) <= most * 1.02)) {
      for (const side of [-1, 1]) {
        const at = Math.round(middle + side * y(logSize(size))) + 0.5;
        pen.strokeStyle = colour.faint;
        pen.beginPath();
        pen.moveTo(LEFT, at);
        pen.lineTo(width - RIGHT, at);
        pen.stroke();
        if (size !== 10 || y(logSize(size)) > 14) {
          pen.fillStyle = colour.ink;
          pen.fillText(sizeText(size), LEFT - 6, at);
        }
      }
    }
    pen.strokeStyle = colour.ink;
    pen.beginPath();
    pen.moveTo(LEFT, Math.round(middle) + 0.5);
    pen.lineTo(width - RIGHT, Math.round(middle) + 0.5);
    pen.stroke();
    const { x, from, to, room } = drawn;
    const step = roundStep(to - from, room / 90);
    const scale = step < 0.1 ? 1000 : 1;
    const digits = Math.max(0, -Math.floor(Math.log10(step * scale) + 1e-9));
    pen.textBaseline = "bottom";
    pen.textAlign = "center";
    pen.fillStyle = colour.ink;
    for (let tick = Math.ceil(from / step) * step; tick <= to; tick += step) {
      if (x(tick) < width - 24) pen.fillText(`${(tick * scale).toFixed(digits)} ${scale === 1 ? "s" : "ms"}`, x(tick), HEIGHT - 2);
    }
  }

  function drawSilences(colour, middle) {
    const { x, from, to } = drawn;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    for (const [begin, end] of silences(store, from, to, ended?.at_s ?? null)) {
      const left = Math.max(LEFT, x(begin)) + 5;
      const right = Math.min(x(to), x(end)) - 5;
      if (right - left < 30) continue;
      pen.fillStyle = colour.band;
      pen.fillRect(left, TOP, right - left, HEIGHT - TOP - BOTTOM);
      const words = durationText(end - begin);
      const long = `${words} without a frame`;
      pen.fillStyle = colour.ink;
      pen.fillText(pen.measureText(long).width < right - left - 8 ? long : words, (left + right) / 2, middle - 12, right - left);
    }
  }

  function stick(at, middle, height, colour) {
    pen.fillStyle = colour;
    pen.fillRect(at - 0.75, Math.min(middle, middle - height), 1.5, Math.abs(height));
  }

  function head(kind, at, top) {
    pen.beginPath();
    if (kind === "control") {
      for (const [right, down] of [[0, -5], [4, 0], [0, 5], [-4, 0]]) pen.lineTo(at + right, top + down);
    } else {
      const side = kind === "sent" ? 1 : -1;
      for (const [right, down] of [[-4, 5], [4, 5], [0, -2]]) pen.lineTo(at + right, top + down * side);
    }
    pen.fill();
  }

  function drawFrames(colour, bins, rest, middle, y) {
    const width = rest.sent.length;
    for (let at = 0; at < width; at++) {
      if (rest.sent[at]) stick(at, middle, y(rest.sent[at]), colour.faint);
      if (rest.received[at]) stick(at, middle, -y(rest.received[at]), colour.faint);
      if (rest.control[at]) stick(at, middle + 3, 6, colour.faint);
    }
    for (const lane of ["received", "sent", "control"]) {
      const { index, size } = bins[lane];
      const filled = index.reduce((count, one) => count + (one >= 0), 0);
      const hasHeads = filled < width / 7;
      for (let at = 0; at < width; at++) {
        if (index[at] < 0) continue;
        const height = lane === "control" ? 0 : y(size[at]) * (lane === "sent" ? 1 : -1);
        if (height) stick(at, middle, height, colour[lane]);
        pen.fillStyle = colour[lane];
        if (hasHeads || lane === "control") head(lane, at, middle - height);
      }
    }
  }

  function drawCloses(colour, width) {
    const { x, from, to } = drawn;
    const closes = store.closes.map((row) => ({ at_s: row.at_s, words: `close ${/^\d{4}/.exec(row.text)?.[0] ?? ""} ${row.direction}` }));
    if (ended) closes.push(ended);
    let taken = -Infinity;
    for (const one of closes.filter(({ at_s }) => at_s >= from && at_s <= to).slice(-4)) {
      const at = Math.round(x(one.at_s)) + 0.5;
      pen.strokeStyle = pen.fillStyle = colour.control;
      pen.setLineDash([2, 3]);
      pen.beginPath();
      pen.moveTo(at, 8);
      pen.lineTo(at, HEIGHT - BOTTOM);
      pen.stroke();
      pen.setLineDash([]);
      const isLeft = at > width - 130;
      if (Math.abs(at - taken) < 130) continue;
      taken = at;
      pen.fillStyle = colour.ink;
      pen.textAlign = isLeft ? "right" : "left";
      pen.textBaseline = "top";
      pen.fillText(plain(one.words), at + (isLeft ? -6 : 6), 8);
    }
  }

  function drawChosen(colour, middle, y) {
    const { x } = drawn;
    const band = drag?.moved ? [drag.from, drag.to].sort((a, b) => a - b) : range;
    if (band) {
      pen.fillStyle = colour.accent;
      pen.globalAlpha = 0.16;
      pen.fillRect(x(band[0]), TOP - 4, Math.max(1, x(band[1]) - x(band[0])), HEIGHT - TOP - BOTTOM + 8);
      pen.globalAlpha = 1;
      for (const edge of band) pen.fillRect(Math.round(x(edge)), TOP - 4, 1, HEIGHT - TOP - BOTTOM + 8);
    }
    if (!selected) return;
    const at = x(selected.at_s);
    const height = selected.opcode >= 8 ? 0 : y(logSize(selected.size)) * (selected.direction === "sent" ? 1 : -1);
    pen.strokeStyle = colour.ink;
    pen.lineWidth = 1.5;
    pen.beginPath();
    pen.moveTo(at, TOP - 6);
    pen.lineTo(at, HEIGHT - BOTTOM + 2);
    pen.stroke();
    pen.beginPath();
    pen.arc(at, middle - height, 6, 0, 7);
    pen.stroke();
  }

  /** The frame nearest to a place of the picture, first of the lane under it; undefined when none is near. */
  function near(left, top) {
    if (!drawn) return undefined;
    const first = top < drawn.middle - 8 ? "sent" : top > drawn.middle + 8 ? "received" : "control";
    const lanes = [first, ...LANES.filter((lane) => lane !== first)];
    for (let away = 0; away <= REACH_PX; away++) {
      for (const lane of lanes) {
        for (const at of [Math.round(left) - away, Math.round(left) + away]) {
          const index = drawn.bins[lane].index[at];
          if (index >= 0) return store.rows[index];
        }
      }
    }
    return undefined;
  }

  function hover(event) {
    const row = near(event.offsetX, event.offsetY);
    tip.hidden = !row;
    if (!row) return;
    const words = row.opcode === 8 ? closeWords(row.text) : plain(row.text.slice(0, 90)).replace(/\s+/g, " ");
    const about = `${MARKS[kindOf(row)]} ${row.n} ${row.direction} ${opcodeWord(row.opcode)}, ${sizeText(row.size)} at ${row.at_s.toFixed(4)} s`;
    tip.replaceChildren(make("b", {}, about), make("span", {}, words));
    const isRight = event.offsetX > el.clientWidth / 2;
    tip.style.left = isRight ? "" : `${event.offsetX + 12}px`;
    tip.style.right = isRight ? `${el.clientWidth - event.offsetX + 12}px` : "";
  }

  const timeAt = (left) => Math.max(drawn.from, Math.min(drawn.to, drawn.from + ((left - LEFT) / drawn.room) * (drawn.to - drawn.from)));
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button || !drawn) return;
    canvas.setPointerCapture(event.pointerId);
    tip.hidden = true;
    drag = { left: event.offsetX, from: timeAt(event.offsetX), to: timeAt(event.offsetX), moved: false };
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!drag) return hover(event);
    drag.moved ||= Math.abs(event.offsetX - drag.left) > 3;
    drag.to = timeAt(event.offsetX);
    trace.refresh(true);
  });
  canvas.addEventListener("pointerup", (event) => {
    const ended = drag;
    drag = null;
    if (!ended) return;
    if (ended.moved) onrange([ended.from, ended.to].sort((a, b) => a - b));
    else {
      const row = near(event.offsetX, event.offsetY);
      if (row) onpick(row);
    }
    trace.refresh(true);
  });
  canvas.addEventListener("pointercancel", () => {
    drag = null;
    trace.refresh(true);
  });
  canvas.addEventListener("pointerleave", () => {
    tip.hidden = true;
  });

  const trace = {
    el,
    canvas,
    isZoomed: () => zoom !== null,
    span,
    /** Draw soon; at most ten times a second, and for an eighth of the time, unless at once. */
    refresh(atOnce = false) {
      if (atOnce && timer) {
        clearTimeout(timer);
        timer = 0;
      }
      canvas.setAttribute("aria-busy", "true");
      timer ||= setTimeout(() => requestAnimationFrame(draw), atOnce ? 0 : Math.max(100, 8 * cost_ms));
    },
    select(row) {
      selected = row;
      trace.refresh(true);
    },
    /** Mark a range of time, or none for null. */
    mark(value) {
      range = value;
      trace.refresh(true);
    },
    /** Mark when and how the socket ended, {at_s, words}, or nothing for null. */
    end(value) {
      ended = value;
      trace.refresh(true);
    },
    /** Draw only a range of time, or everything for null. */
    zoom(value) {
      zoom = value;
      trace.refresh(true);
    },
  };
  const resized = new ResizeObserver(() => trace.refresh(true));
  resized.observe(el);
  const themed = new MutationObserver(() => trace.refresh());
  for (const place of [document.documentElement, document.body]) themed.observe(place, { attributes: true });
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const onscheme = () => trace.refresh();
  dark.addEventListener("change", onscheme);
  trace.destroy = () => {
    resized.disconnect();
    themed.disconnect();
    dark.removeEventListener("change", onscheme);
    clearTimeout(timer);
  };
  return trace;
}
