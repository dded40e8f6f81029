import { createServer } from 'node:http';
import { Server } from 'socket.io';

const http = createServer();
const io = new Server(http, { path: '/api/socket', addTrailingSlash: false });
io.on('connection', (socket) => socket.join('all'));
http.listen(Number(process.env.PORT) || 3000);
