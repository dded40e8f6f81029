// Two WebSocket servers and Socket.IO on one HTTP server: one listener routes, and leaves Socket.IO's path to Socket.IO.
const { createServer } = require("node:http");
const express = require("express");
const { Server } = require("socket.io");
const { WebSocketServer, WebSocket } = require("ws");

const app = express();
const server = createServer(app);
const io = new Server(server, { destroyUpgrade: false, pingInterval: 20000, pingTimeout: 20000 });
const feeds = new Map([
  ["/prices", new WebSocketServer({ noServer: true, maxPayload: 4096 })],
  ["/orders", new WebSocketServer({ noServer: true, maxPayload: 4096 })],
]);

server.on("upgrade", (request, socket, head) => {
  const { pathname } = new URL(request.url, "http://x");
  const feed = feeds.get(pathname);
  if (feed) feed.handleUpgrade(request, socket, head, (ws) => feed.emit("connection", ws, request));
  else if (!pathname.startsWith("/socket.io/")) socket.destroy();
});

const users = new Map();
feeds.get("/orders").on("connection", (ws, request) => {
  const user = request.headers["x-user"];
  if (!users.has(user)) users.set(user, new Set());
  users.get(user).add(ws);
  const beat = setInterval(() => ws.ping(), 20000);
  ws.on("error", () => ws.terminate());
  ws.on("close", () => {
    clearInterval(beat);
    users.get(user)?.delete(ws);
    if (users.get(user)?.size === 0) users.delete(user);
  });
  ws.on("message", (data, isBinary) => {
    if (!isBinary && data.toString() === "ping") ws.send("pong");
  });
});

exports.tell = (user, message) => {
  const text = JSON.stringify(message);
  for (const ws of users.get(user) ?? []) if (ws.readyState === WebSocket.OPEN && ws.bufferedAmount < 1e6) ws.send(text);
};

io.on("connection", (socket) => socket.on("say", (text, done) => done({ length: String(text).length })));
server.listen(8080);
