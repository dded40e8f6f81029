import { io, type Socket } from 'socket.io-client';

let socket: Socket | undefined;

export function getSocket(): Socket {
  socket ??= io({ path: '/api/socket', addTrailingSlash: false });
  return socket;
}
