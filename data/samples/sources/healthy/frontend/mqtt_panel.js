// MQTT over WebSocket: the client comes back by itself, and what it subscribes on connect stands after every loss.
import mqtt from 'mqtt';

const client = mqtt.connect(`wss://${window.location.host}/mqtt`, {
  clientId: `panel-${crypto.randomUUID()}`,
  keepalive: 30,
  reconnectPeriod: 2000,
  connectTimeout: 10000,
  transformWsUrl: (address) => `${address}?ticket=${window.ticketNow()}`,
});

client.on('connect', () => {
  client.subscribe({ 'plant/+/temperature': { qos: 1 }, 'plant/+/alarm': { qos: 1 } }, (error) => {
    if (error) console.error('subscribe', error);
  });
});

client.on('message', (topic, payload) => {
  const [, machine, kind] = topic.split('/');
  const cell = document.querySelector(`[data-machine="${machine}"] .${kind}`);
  if (cell) cell.textContent = payload.toString();
});

client.on('error', (error) => console.error(error.message));
client.on('offline', () => document.body.classList.add('offline'));
window.addEventListener('beforeunload', () => client.end());
