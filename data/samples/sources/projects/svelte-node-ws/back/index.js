import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';

const server = createServer();
const live = new WebSocketServer({ noServer: true });

server.on('upgrade', (request, socket, head) => {
  const { pathname } = new URL(request.url, 'http://localhost');
  if (pathname === '/live') {
    live.handleUpgrade(request, socket, head, (ws) => live.emit('connection', ws, request));
  } else {
    socket.destroy();
  }
});
server.listen(8080);
