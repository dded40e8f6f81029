// Socket.IO with the Redis adapter; defaults for pings.
import { createAdapter } from "@socket.io/redis-adapter";
import { createServer } from "http";
import { createClient } from "redis";
import { Server } from "socket.io";

const pub = createClient({ url: process.env.REDIS_URL });
const sub = pub.duplicate();
await Promise.all([pub.connect(), sub.connect()]);
const http = createServer();
const io = new Server(http, { cors: { origin: "https://app.example.test" }, adapter: createAdapter(pub, sub) });

io.on("connection", (socket) => {
  socket.on("join", (room: string) => socket.join(room));
  socket.on("message", async (message) => {
    await save(message);
    io.to(message.room).emit("message", message);
  });
});

http.listen(3000);
