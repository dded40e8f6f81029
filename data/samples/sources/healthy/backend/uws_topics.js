// uWebSockets.js: topics, limits and pings of the library; the registry is emptied in close.
const uWS = require("uWebSockets.js");

const online = new Map();

uWS
  .App()
  .ws("/live", {
    idleTimeout: 60,
    sendPingsAutomatically: true,
    maxBackpressure: 1024 * 1024,
    maxPayloadLength: 16 * 1024,
    open: (ws) => {
      ws.subscribe("news");
      online.set(ws.getUserData().id, ws);
    },
    message: (ws, message, isBinary) => ws.publish("news", message, isBinary),
    close: (ws) => online.delete(ws.getUserData().id),
  })
  .listen("0.0.0.0", 9001, () => {});

exports.tell = (id, text) => online.get(id)?.send(text);
