// Fastify: a listener of the bus per connection, taken away with it; the hash is computed off the loop.
import { scrypt } from "node:crypto";
import websocket from "@fastify/websocket";
import Fastify from "fastify";
import { bus } from "./bus.js";

const app = Fastify();
await app.register(websocket, { options: { maxPayload: 1 << 16 } });

app.get("/stream", { websocket: true }, (socket, request) => {
  const put = (event: { id: string }) => socket.send(JSON.stringify(event));
  bus.on("event", put);
  socket.on("close", () => bus.off("event", put));
  socket.on("error", () => socket.terminate());
  socket.on("message", (data: Buffer) => {
    scrypt(data, request.id, 32, (error, key) => socket.send(error ? "failed" : key.toString("hex")));
  });
});

await app.listen({ port: 3000, host: "0.0.0.0" });
