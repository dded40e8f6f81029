"use strict";

const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 30000;
const SILENCE_MS = 15000;
const HISTORY = 120;
const EVENTS = 12;

const element = (id) => document.getElementById(id);
const series = new Map();
const state = { retries: 0, opened: 0, count: 0, heard: 0, events: [], tick: null };
let socket = null;
let drawn = false;

function connect() {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  show("connecting", "connecting");
  socket = new WebSocket(`${scheme}://${location.host}/ws`);
  socket.onopen = opened;
  socket.onmessage = received;
  socket.onclose = closed;
}

function opened(event) {
  state.retries = 0;
  state.opened += 1;
  state.heard = Date.now();
  show("open", "live");
  event.target.send(JSON.stringify({ type: "subscribe", topic: "ticks" }));
  if (state.opened > 1) catchUp();
}

// What was told while there was no connection; what is shown already stays as it is.
async function catchUp() {
  try {
    const { events } = await (await fetch("publish")).json();
    const missed = events.filter((message) => !state.events.some((shown) => shown.text === describe(message)));
    missed.forEach(accept);
    draw();
  } catch (error) {
    show("open", `live, but what happened meanwhile is not known: ${error.message}`);
  }
}

function closed(event) {
  const ceiling = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** state.retries);
  const delay = ceiling / 2 + Math.random() * (ceiling / 2);
  state.retries += 1;
  show("closed", `closed (${event.code}), next try in ${(delay / 1000).toFixed(1)} s`);
  setTimeout(connect, delay);
}

function received(event) {
  state.heard = Date.now();
  state.count += 1;
  let message;
  try {
    message = JSON.parse(event.data);
  } catch (error) {
    console.warn("a message that is not JSON was left out", error);
    return;
  }
  accept(message);
  draw();
}

function accept(message) {
  if (message === null || typeof message !== "object") return;
  if (message.type === "tick") {
    state.tick = message;
    for (const [symbol, price] of Object.entries(message.prices)) remember(symbol, price);
  } else if ((message.type ?? "event") === "event") {
    state.events.unshift({ seq: message.seq ?? state.count, at: new Date(), text: describe(message) });
    state.events.length = Math.min(state.events.length, EVENTS);
  }
}

function describe(message) {
  if (typeof message.text === "string") return message.text;
  return JSON.stringify(message);
}

function remember(symbol, price) {
  const prices = series.get(symbol) ?? [];
  prices.push(price);
  if (prices.length > HISTORY) prices.shift();
  series.set(symbol, prices);
}

// One drawing for each picture of the screen, however many messages came in between.
function draw() {
  if (drawn) return;
  drawn = true;
  requestAnimationFrame(() => {
    drawn = false;
    for (const [symbol, prices] of series) drawPrice(symbol, prices);
    drawEvents();
    element("count").textContent = state.count.toLocaleString();
    element("opened").textContent = state.opened.toLocaleString();
    if (state.tick) element("tick").textContent = `number ${state.tick.seq}`;
  });
}

function drawPrice(symbol, prices) {
  const card = element(`price-${symbol}`) ?? newCard(symbol);
  const last = prices[prices.length - 1];
  const change = (100 * (last - prices[0])) / prices[0];
  const low = Math.min(...prices);
  const span = Math.max(...prices) - low || 1;
  const points = prices.map((p, i) => `${(100 * i) / Math.max(1, prices.length - 1)},${28 - (26 * (p - low)) / span}`);
  card.querySelector("output").textContent = last.toFixed(2);
  card.querySelector(".change").textContent = `${change < 0 ? "−" : "+"}${Math.abs(change).toFixed(2)} % in ${prices.length / 2} s`;
  card.querySelector("polyline").setAttribute("points", points.join(" "));
}

function newCard(symbol) {
  const card = document.createElement("article");
  card.id = `price-${symbol}`;
  card.className = "price";
  card.innerHTML = '<h3></h3><output></output><p class="change"></p><svg viewBox="0 0 100 30" preserveAspectRatio="none" aria-hidden="true"><polyline/></svg>';
  card.querySelector("h3").textContent = symbol;
  return element("prices").appendChild(card);
}

function drawEvents() {
  const list = element("events");
  list.dataset.seq = state.events.length ? state.events[0].seq : 0;
  list.replaceChildren(...state.events.map(eventRow));
}

function eventRow({ seq, at, text }) {
  const row = document.createElement("li");
  const time = document.createElement("time");
  const words = document.createElement("span");
  row.dataset.seq = seq;
  time.textContent = at.toLocaleTimeString();
  words.textContent = text;
  row.append(time, words);
  return row;
}

function show(name, text) {
  element("state").dataset.state = name;
  element("state-text").textContent = text;
}

// A connection can die without a close event; ticks come twice a second, so silence means that it did.
setInterval(() => {
  if (socket.readyState === WebSocket.OPEN && Date.now() - state.heard > SILENCE_MS) socket.close(4000, "silence");
}, 1000);

element("publish").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = element("text").value.trim();
  if (!text) return;
  const body = JSON.stringify({ text });
  try {
    const answer = await fetch("publish", { method: "POST", headers: { "Content-Type": "application/json" }, body });
    element("text").value = answer.ok ? "" : text;
    element("refused").textContent = answer.ok ? "" : `The event was refused with ${answer.status}.`;
  } catch (error) {
    element("refused").textContent = `The event could not be sent: ${error.message}.`;
  }
});

connect();
