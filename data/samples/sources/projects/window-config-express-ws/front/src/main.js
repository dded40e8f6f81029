import ReconnectingWebSocket from 'reconnecting-websocket';
const { wsUrl } = window.__CONFIG__;
export const socket = new ReconnectingWebSocket(wsUrl, [], { maxRetries: 20 });
