// Echoes over k6's WebSockets: each virtual user keeps WINDOW messages in flight for SECONDS.
// k6 run -e PORT=8080 -e CONNECTIONS=100 -e WINDOW=1 -e SIZE=64 -e SECONDS=4 --summary-export out.json k6_echo.js
import ws from "k6/ws";
import { Counter } from "k6/metrics";

export const options = {
  scenarios: { echo: { executor: "per-vu-iterations", vus: Number(__ENV.CONNECTIONS), iterations: 1, maxDuration: "10m" } },
};
const answered = new Counter("answered");

export default function () {
  const message = new Uint8Array(Number(__ENV.SIZE)).buffer;
  ws.connect(`ws://127.0.0.1:${__ENV.PORT}/`, {}, (socket) => {
    let until = 0;
    socket.on("open", () => {
      until = Date.now() + Number(__ENV.SECONDS) * 1000;
      for (let i = 0; i < Number(__ENV.WINDOW); i++) socket.sendBinary(message);
    });
    socket.on("binaryMessage", () => {
      answered.add(1);
      if (Date.now() < until) socket.sendBinary(message);
      else socket.close();
    });
  });
}
