// A shared worker holds the only socket; wake-ups are probed instead of believed.
const ports = [];
let socket;
let timer;
let backoff = 500;

function open() {
  socket = new WebSocket(`wss://${self.location.host}/ws`);
  socket.onmessage = (event) => {
    clearTimeout(timer);
    ports.forEach((port) => port.postMessage(event.data));
  };
  socket.onopen = () => {
    backoff = 500;
    socket.send('{"type":"resume"}');
  };
  socket.onclose = () => {
    backoff = Math.min(backoff * 2, 20000);
    setTimeout(open, backoff * (0.5 + Math.random()));
  };
}

function probe() {
  socket.send('{"type":"ping"}');
  timer = setTimeout(() => socket.close(), 2000);
}

onconnect = (event) => {
  ports.push(event.ports[0]);
  event.ports[0].onmessage = ({ data }) => (data === "wake" ? probe() : socket.send(data));
  if (!socket) open();
};
