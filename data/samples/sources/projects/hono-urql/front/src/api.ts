const isLocal = ['localhost', '127.0.0.1'].includes(location.hostname);
const origin = isLocal ? 'ws://localhost:8787' : `wss://${location.host}`;
export const socket = new WebSocket(`${origin}/ws`);
