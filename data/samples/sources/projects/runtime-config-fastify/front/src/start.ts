const config = await fetch('/config.json').then((response) => response.json());
export const socket = new WebSocket(config.socket);
