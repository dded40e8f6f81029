// Socket.IO: handlers once, rooms joined on every connect, missed events asked for.
import { io } from "socket.io-client";

const socket = io({ path: "/rt/", transports: ["websocket"] });
let lastId = 0;

socket.on("news", (item) => {
  lastId = item.id;
  render(item);
});

socket.on("connect", () => {
  socket.emit("join", "lobby");
  if (!socket.recovered) socket.emit("since", lastId);
});

socket.on("disconnect", (reason) => {
  if (reason === "io server disconnect") setTimeout(() => socket.connect(), 1000 + Math.random() * 4000);
});
