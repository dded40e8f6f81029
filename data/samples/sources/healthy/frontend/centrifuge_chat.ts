// Centrifuge: getToken is asked again when a token runs out, and positions recover what was missed.
import { Centrifuge, type PublicationContext, type SubscribedContext } from 'centrifuge';

async function ask(path: string, body?: object): Promise<string> {
  const answer = await fetch(path, { method: 'POST', body: JSON.stringify(body ?? {}) });
  if (answer.status === 403) return '';
  if (!answer.ok) throw new Error(`token refused with ${answer.status}`);
  return (await answer.json()).token;
}

export function follow(room: string, show: (text: string) => void, reload: () => Promise<void>) {
  const centrifuge = new Centrifuge(`wss://${location.host}/connection/websocket`, {
    getToken: () => ask('/centrifugo/token'),
    minReconnectDelay: 500,
    maxReconnectDelay: 20000,
  });
  const subscription = centrifuge.newSubscription(`chat:${room}`, {
    getToken: (ctx) => ask('/centrifugo/subscription', { channel: ctx.channel }),
    recoverable: true,
  });
  subscription.on('subscribed', (ctx: SubscribedContext) => {
    if (ctx.wasRecovering && !ctx.recovered) void reload();
  });
  subscription.on('publication', (ctx: PublicationContext) => show(ctx.data.text));
  centrifuge.on('error', (ctx) => console.warn(ctx.error.message));
  subscription.subscribe();
  centrifuge.connect();
  return () => {
    subscription.unsubscribe();
    centrifuge.disconnect();
  };
}
