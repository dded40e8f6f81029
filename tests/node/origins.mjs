// Node libraries that judge Origin in their own ways, each at a path of one free port of loopback; the port is the first line of output.
import { createServer } from "node:http";
import { Server } from "socket.io";
import sockjs from "sockjs";
import { WebSocketServer } from "ws";

const OWN = "https://shop.example.com";
const http = createServer((request, answer) => answer.writeHead(404).end("no such page"));
const knows = (request) => /session=alice/.test(request.headers.cookie ?? "");

const doors = {
  "/ws-listed": new WebSocketServer({ noServer: true, verifyClient: ({ origin }) => !origin || origin === OWN }),
  "/ws-elsewhere": new WebSocketServer({ noServer: true, verifyClient: ({ origin }) => origin === "https://app.elsewhere.example" || !origin }),
  "/ws-includes": new WebSocketServer({ noServer: true, verifyClient: ({ origin }) => (origin ?? "").includes("shop.example.com") }),
  "/ws-cookie": new WebSocketServer({ noServer: true, verifyClient: ({ req }, done) => done(knows(req), 401) }),
  "/ws-public": new WebSocketServer({ noServer: true }),
};

const sockets = sockjs.createServer({ log: () => {} });
sockets.on("connection", () => {});
sockets.installHandlers(http, { prefix: "/echo" });

// Socket.IO takes its `cors` for HTTP alone: a socket of any page opens unless allowRequest forbids it.
new Server(http, { path: "/listed.io/", cors: { origin: [OWN], credentials: true } });
new Server(http, {
  path: "/checked.io/",
  cors: { origin: [OWN], credentials: true },
  allowRequest: (request, done) => done(null, [OWN, undefined].includes(request.headers.origin)),
});
new Server(http, {
  path: "/cookie.io/",
  cors: { origin: [OWN], credentials: true },
  allowRequest: (request, done) => done(null, knows(request)),
});

http.on("upgrade", (request, socket, head) => {
  const door = doors[request.url.split("?")[0]];
  if (door) door.handleUpgrade(request, socket, head, (opened) => opened.on("error", () => {}));
});
http.listen(0, "127.0.0.1", () => console.log(http.address().port));
