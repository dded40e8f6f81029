import type { FastifyInstance } from 'fastify';

export default async function stream(app: FastifyInstance) {
  app.get('/stream', { websocket: true }, (socket) => { socket.send('hello'); });
}
