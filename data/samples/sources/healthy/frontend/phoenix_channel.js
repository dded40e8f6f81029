// Phoenix: params is a function, so that each connection gets a fresh token; channels join again by themselves, and onOpen fetches the gap.
import { Presence, Socket } from 'phoenix';

const meta = (name) => document.querySelector(`meta[name=${name}]`).content;

export function startRoom(room, view) {
  let newest = 0;
  const socket = new Socket('/socket', {
    params: () => ({ token: meta('user-token') }),
    heartbeatIntervalMs: 20000,
    reconnectAfterMs: (tries) => Math.min(30000, 500 * 2 ** tries) + Math.random() * 1000,
  });
  const channel = socket.channel(`room:${room}`, () => ({ since: newest }));
  const presence = new Presence(channel);

  channel.on('new_msg', (message) => {
    newest = Math.max(newest, message.id);
    view.append(message);
  });
  channel.on('msg_deleted', ({ id }) => view.remove(id));
  presence.onSync(() => view.people(presence.list().length));

  socket.onError((error) => view.notice(String(error)));
  socket.connect();
  channel
    .join()
    .receive('ok', ({ messages }) => messages.forEach((message) => view.append(message)))
    .receive('error', ({ reason }) => view.notice(reason));

  return {
    say: (body) => channel.push('new_msg', { body }).receive('timeout', () => view.notice('slow')),
    stop: () => {
      channel.leave();
      socket.disconnect();
    },
  };
}
