import Fastify from 'fastify';
import websocket from '@fastify/websocket';
import stream from './stream.js';

const app = Fastify();
await app.register(websocket);
await app.register(stream, { prefix: '/api' });
await app.listen({ port: 3000, host: '0.0.0.0' });
