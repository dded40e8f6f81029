// Redux: a middleware owns the one socket, queues what is sent too early, and puts batches of updates into the store.
const FATAL = new Set([1008, 4401, 4403]);

export const liveMiddleware = (makeUrl) => (store) => {
  let socket = null;
  let attempt = 0;
  let timer = null;
  let wanted = false;
  let batch = [];
  const outbox = [];

  const flush = () => {
    const updates = batch;
    batch = [];
    store.dispatch({ type: 'live/updates', updates });
  };

  const send = (message) => {
    if (socket && socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
    else outbox.push(message);
  };

  const open = () => {
    socket = new WebSocket(makeUrl());
    socket.addEventListener('open', () => {
      attempt = 0;
      send({ type: 'subscribe', topics: store.getState().live.topics, since: store.getState().live.cursor });
      while (outbox.length > 0) send(outbox.shift());
      store.dispatch({ type: 'live/online' });
    });
    socket.addEventListener('message', ({ data }) => {
      try {
        batch.push(JSON.parse(data));
      } catch {
        return;
      }
      if (batch.length === 1) requestAnimationFrame(flush);
    });
    socket.addEventListener('error', () => store.dispatch({ type: 'live/trouble' }));
    socket.addEventListener('close', ({ code }) => {
      store.dispatch({ type: 'live/offline', code });
      if (!wanted || FATAL.has(code)) return;
      const ceiling = Math.min(30_000, 1_000 * 2 ** attempt++);
      timer = setTimeout(open, Math.random() * ceiling);
    });
  };

  return (next) => (action) => {
    if (action.type === 'live/start' && !wanted) {
      wanted = true;
      open();
    }
    if (action.type === 'live/stop') {
      wanted = false;
      clearTimeout(timer);
      socket?.close(1000);
    }
    if (action.type === 'live/send') send(action.message);
    return next(action);
  };
};
