// The ticker on Node.js: http and ws (https://github.com/websockets/ws).
"use strict";

const http = require("node:http");
const net = require("node:net");
const readline = require("node:readline");
const { parseArgs } = require("node:util");
const { WebSocket, WebSocketServer } = require("ws");

const TICK_MS = 500;
const PING_MS = 30000;
const MAX_BODY_BYTES = 65536;
const SYMBOLS = { ALDER: 184.0, BIRCH: 62.5, CEDAR: 917.0 };

const { values: options } = parseArgs({
  options: {
    name: { type: "string", default: "a" },
    host: { type: "string", default: "127.0.0.1" },
    port: { type: "string", default: "8001" },
    "http-port": { type: "string", default: "8002" },
    bus: { type: "string", default: "" },
    "allow-origin": { type: "string", multiple: true, default: [] },
  },
});

const recent = [];
const wss = new WebSocketServer({ noServer: true });
let bus = null;

wss.on("headers", (headers) => headers.push(`X-Instance: ${options.name}`));

wss.on("connection", (ws, request) => {
  console.log("client connected from %s, %d now", request.socket.remoteAddress, wss.clients.size);
  ws.isAlive = true;
  ws.on("pong", () => (ws.isAlive = true));
  ws.on("message", (data, isBinary) => receive(ws, data, isBinary));
  ws.on("error", (error) => console.error("client error:", error.message));
  ws.on("close", (code) => console.log("client disconnected, code %d", code));
});

function receive(ws, data, isBinary) {
  const command = isBinary ? null : parse(data);
  if (command?.type === "subscribe") {
    ws.subscribed = true;
    ws.send(JSON.stringify({ type: "subscribed", topic: command.topic }));
  } else if (command?.type === "publish") {
    publish(data.toString());
  } else {
    ws.send(data, { binary: isBinary });
  }
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function publish(text) {
  deliver(text);
  bus?.write(JSON.stringify(text) + "\n");
}

function deliver(text) {
  recent.push(text);
  if (recent.length > 12) recent.shift();
  for (const client of wss.clients) {
    if (client.readyState === WebSocket.OPEN) client.send(text);
  }
}

function joinBus() {
  const [host, port] = options.bus.split(":");
  const socket = net.connect({ host, port: Number(port) }, () => (bus = socket));
  readline.createInterface({ input: socket }).on("line", (line) => deliver(JSON.parse(line))).on("error", () => {});
  socket.on("error", (error) => console.error("bus:", error.message));
  socket.on("close", () => {
    bus = null;
    setTimeout(joinBus, 100);
  });
}

// Prices come on the beat of the clock, so that all instances number them alike.
function tick() {
  const seq = Math.round(Date.now() / TICK_MS);
  const prices = Object.fromEntries(
    Object.entries(SYMBOLS).map(([symbol, base], i) => [symbol, Number((base * (1 + 0.01 * Math.sin(seq / 17 + 2 * i))).toFixed(2))]),
  );
  const text = JSON.stringify({ type: "tick", topic: "ticks", seq, prices });
  for (const client of wss.clients) {
    if (client.subscribed && client.readyState === WebSocket.OPEN) client.send(text);
  }
  setTimeout(tick, (seq + 1) * TICK_MS - Date.now());
}

setInterval(() => {
  for (const ws of wss.clients) {
    if (!ws.isAlive) {
      ws.terminate();
      continue;
    }
    ws.isAlive = false;
    ws.ping();
  }
}, PING_MS);

function answer(response, status, value) {
  response.writeHead(status, { "Content-Type": "application/json", "X-Instance": options.name });
  response.end(JSON.stringify(value));
}

async function handle(request, response) {
  const { pathname } = new URL(request.url, "http://localhost");
  if (pathname === "/healthz") return answer(response, options.bus && !bus ? 503 : 200, { instance: options.name, sockets: wss.clients.size });
  if (pathname === "/ws") return answer(response, 426, { error: "Upgrade Required" });
  if (pathname !== "/publish") return answer(response, 404, { error: "Not Found" });
  if (request.method === "GET") return answer(response, 200, { events: recent.map((text) => JSON.parse(text)) });
  if (request.method !== "POST") return answer(response, 405, { error: "Method Not Allowed" });
  let body = "";
  for await (const chunk of request) {
    body += chunk;
    if (body.length > MAX_BODY_BYTES) return answer(response, 413, { error: "Payload Too Large" });
  }
  if (parse(body) === null) return answer(response, 400, { error: "Bad Request" });
  publish(body);
  return answer(response, 202, { instance: options.name });
}

const server = http.createServer(handle);

server.on("upgrade", (request, socket, head) => {
  const { pathname } = new URL(request.url, "http://localhost");
  const { origin } = request.headers;
  socket.on("error", (error) => console.error("socket error:", error.message));
  if (pathname !== "/ws") return refuse(socket, "404 Not Found");
  if (origin !== undefined && !options["allow-origin"].includes(origin)) return refuse(socket, "403 Forbidden");
  wss.handleUpgrade(request, socket, head, (ws) => wss.emit("connection", ws, request));
});

function refuse(socket, status) {
  console.warn("upgrade refused: %s", status);
  socket.end(`HTTP/1.1 ${status}\r\nX-Instance: ${options.name}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
}

if (options.bus) joinBus();
tick();
server.listen(Number(options.port), options.host, () => console.log(`Server listening on port ${options.port}`));
http.createServer(handle).listen(Number(options["http-port"]), options.host);
