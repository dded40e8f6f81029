// Real servers of the dialects on a free port of loopback: node server.mjs KIND; the port is the first line of output.
import { createServer } from "node:http";

const kinds = {
  async "socket.io"(http) {
    const { Server } = await import("socket.io");
    const io = new Server(http, { pingInterval: 300, pingTimeout: 5000, maxHttpBufferSize: 54321 });
    io.of("/closed").use((socket, next) => next(new Error("unauthorized")));
  },
  async "socket.io-eio3"(http) {
    const { Server } = await import("socket.io");
    new Server(http, { allowEIO3: true });
  },
  async "socket.io-forbidden"(http) {
    const { Server } = await import("socket.io");
    new Server(http, { allowRequest: (request, done) => done("no", false) });
  },
  async "socket.io-auth"(http) {
    const { Server } = await import("socket.io");
    new Server(http).use((socket, next) => next(new Error("jwt must be provided")));
  },
  async "socket.io-polling"(http) {
    const { Server } = await import("socket.io");
    new Server(http, { transports: ["polling"] });
  },
  async sockjs(http) {
    const sockjs = (await import("sockjs")).default;
    const service = sockjs.createServer({ log: () => {} });
    service.on("connection", (connection) => connection.on("data", (message) => connection.write(message)));
    service.installHandlers(http, { prefix: "/echo" });
  },
  async "sockjs-no-websocket"(http) {
    const sockjs = (await import("sockjs")).default;
    const service = sockjs.createServer({ log: () => {}, websocket: false, jsessionid: true });
    service.on("connection", () => {});
    service.installHandlers(http, { prefix: "/echo" });
  },
  async graphql(http, refuse = false) {
    const { WebSocketServer } = await import("ws");
    const { useServer } = await import("graphql-ws/use/ws");
    const { buildSchema } = await import("graphql");
    const server = new WebSocketServer({ server: http, path: "/graphql" });
    useServer({ schema: buildSchema("type Query { a: Int }"), onConnect: () => !refuse }, server);
  },
  async "graphql-refuses"(http) {
    await kinds.graphql(http, true);
  },
  async ws(http) {
    const { WebSocketServer } = await import("ws");
    const server = new WebSocketServer({ server: http, perMessageDeflate: true, maxPayload: 100_000 });
    server.on("connection", (socket) => {
      socket.on("message", (data, binary) => socket.send(data, { binary }));
      socket.on("error", () => {});
    });
  },
};

const http = createServer((request, answer) => answer.writeHead(404).end("no such page"));
await kinds[process.argv[2]](http);
http.listen(0, "127.0.0.1", () => console.log(http.address().port));
