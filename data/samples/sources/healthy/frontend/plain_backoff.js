// A plain page: derives the URL, backs off with jitter, guards parsing, subscribes on every open.
const list = document.querySelector("#list");
let attempt = 0;
let lastSeen = 0;

function url() {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  return `${scheme}//${location.host}/ws/prices?after=${lastSeen}`;
}

function show(text) {
  let item;
  try {
    item = JSON.parse(text);
  } catch (error) {
    console.warn("not JSON", error);
    return;
  }
  lastSeen = item.id;
  list.append(item.name);
}

function connect() {
  const socket = new WebSocket(url());
  socket.onmessage = (event) => show(event.data);
  socket.onopen = () => {
    attempt = 0;
    socket.send(JSON.stringify({ type: "subscribe", topic: "prices" }));
  };
  socket.onclose = () => {
    attempt += 1;
    const delay = Math.min(30000, 500 * 2 ** attempt) * Math.random();
    setTimeout(connect, delay);
  };
}

connect();
