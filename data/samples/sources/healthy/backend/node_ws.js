// ws with one upgrade handler that routes by path, pings, guarded parsing, one serialisation per broadcast.
import { createServer } from "node:http";
import { WebSocketServer, WebSocket } from "ws";

const server = createServer();
const feeds = { "/client": new WebSocketServer({ noServer: true }), "/screen": new WebSocketServer({ noServer: true }) };

server.on("upgrade", (request, socket, head) => {
  const feed = feeds[new URL(request.url, "http://x").pathname];
  const upgrade = (request.headers.upgrade ?? "").toLowerCase();
  if (!feed || upgrade !== "websocket") return socket.destroy();
  feed.handleUpgrade(request, socket, head, (ws) => feed.emit("connection", ws, request));
});

for (const feed of Object.values(feeds)) {
  feed.on("connection", (ws) => {
    ws.isAlive = true;
    ws.on("pong", () => (ws.isAlive = true));
    ws.on("message", (data) => {
      let message;
      try {
        message = JSON.parse(data);
      } catch {
        return ws.close(1007);
      }
      const text = JSON.stringify(message);
      for (const client of feed.clients) if (client.readyState === WebSocket.OPEN) client.send(text);
    });
  });
}

setInterval(() => {
  for (const feed of Object.values(feeds))
    for (const ws of feed.clients) {
      if (!ws.isAlive) ws.terminate();
      else {
        ws.isAlive = false;
        ws.ping();
      }
    }
}, 25000);

server.listen(process.env.PORT || 8080);
