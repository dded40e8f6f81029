// STOMP over SockJS: the client reconnects by itself, subscriptions stand in onConnect, the token is fresh before each attempt.
import { Client, ReconnectionTimeMode } from '@stomp/stompjs';
import SockJS from 'sockjs-client';
import { currentToken } from './auth.js';

const board = document.getElementById('board');
const seen = new Set();

const client = new Client({
  webSocketFactory: () => new SockJS('/stomp'),
  reconnectDelay: 1000,
  maxReconnectDelay: 30000,
  reconnectTimeMode: ReconnectionTimeMode.EXPONENTIAL,
  heartbeatIncoming: 10000,
  heartbeatOutgoing: 10000,
  beforeConnect: async () => {
    client.connectHeaders = { Authorization: `Bearer ${await currentToken()}` };
  },
  onConnect: () => {
    client.subscribe('/topic/departures', (frame) => show(frame));
    client.subscribe('/user/queue/notices', (frame) => show(frame));
    refresh();
  },
  onStompError: (frame) => console.error(frame.headers.message),
  onWebSocketClose: (event) => console.info('closed', event.code),
});

async function refresh() {
  const answer = await fetch('/api/departures');
  for (const departure of await answer.json()) draw(departure);
}

function show(frame) {
  try {
    draw(JSON.parse(frame.body));
  } catch (error) {
    console.warn('skipped', error);
  }
}

function draw(departure) {
  if (seen.has(departure.id)) return;
  seen.add(departure.id);
  const row = board.insertRow(0);
  row.insertCell().textContent = departure.line;
  row.insertCell().textContent = departure.time;
  if (board.rows.length > 50) board.deleteRow(50);
}

client.activate();
window.addEventListener('pagehide', () => client.deactivate());
