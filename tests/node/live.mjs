// A real server that tells every message to everybody, healthy or with a fault: node live.mjs FAULT; the port is the first line of output.
import { createServer } from "node:http";
import { openSync } from "node:fs";
import { WebSocketServer } from "ws";

const fault = process.argv[2];
const peers = new Set();
const tell = (text) => {
  for (const peer of peers) {
    if (fault === "cuts-slow" && peer.bufferedAmount > 1_000_000) peer.terminate();
    else peer.send(text);
  }
};
const http = createServer((request, answer) => {
  let body = "";
  request.on("data", (data) => (body += data));
  request.on("end", () => {
    tell(body);
    answer.end("sent");
  });
});
new WebSocketServer({ server: http, perMessageDeflate: false, path: fault === "two-servers" ? "/ws" : undefined }).on("connection", (peer) => {
  peers.add(peer);
  if (fault === "keeps-files") openSync("/dev/null");
  peer.on("message", (data) => tell(data.toString()));
  peer.on("error", () => {});
  peer.on("close", () => fault === "keeps-entries" || peers.delete(peer));
});
if (fault === "two-servers") new WebSocketServer({ server: http, path: "/other" });
if (fault === "raw-keeps-sockets") {
  http.removeAllListeners("upgrade");
  const { createHash } = await import("node:crypto");
  http.on("upgrade", (request, socket) => {
    const accept = createHash("sha1").update(request.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest("base64");
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
    socket.on("data", () => {}); // nobody ends it: Node leaves upgraded sockets half open
    socket.on("error", () => {});
  });
}
if (fault === "blocking") {
  setInterval(() => {
    const end = Date.now() + 300;
    while (Date.now() < end);
  }, 900);
}
http.listen(0, "127.0.0.1", () => console.log(http.address().port));
