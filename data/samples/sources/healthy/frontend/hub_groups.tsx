// SignalR in React: automatic reconnects that never end, groups joined again, the first start retried, handlers before start.
import { HubConnectionBuilder, HubConnectionState, LogLevel, type IRetryPolicy } from '@microsoft/signalr';
import { useEffect, useMemo, useRef, useState } from 'react';

const forever: IRetryPolicy = {
  nextRetryDelayInMilliseconds: ({ previousRetryCount }) => Math.min(30000, 1000 * 2 ** previousRetryCount) * (0.5 + Math.random() / 2),
};

export function Machine({ id, token }: { id: string; token: () => Promise<string> }) {
  const [state, setState] = useState('unknown');
  const fresh = useRef(token);
  fresh.current = token;

  const hub = useMemo(
    () =>
      new HubConnectionBuilder()
        .withUrl('/hubs/machines', { accessTokenFactory: () => fresh.current() })
        .withAutomaticReconnect(forever)
        .configureLogging(LogLevel.Warning)
        .build(),
    [],
  );

  useEffect(() => {
    let ended = false;
    let timer: ReturnType<typeof setTimeout>;
    let failures = 0;
    const changed = (machine: string, value: string) => machine === id && setState(value);
    const join = async () => setState(await hub.invoke('JoinMachine', id));
    const start = async () => {
      try {
        await hub.start();
        await join();
      } catch (error) {
        console.warn(error);
        if (!ended) timer = setTimeout(start, forever.nextRetryDelayInMilliseconds({ previousRetryCount: failures++ } as never) ?? 0);
      }
    };
    hub.on('StateChanged', changed);
    hub.onreconnected(join);
    if (hub.state === HubConnectionState.Disconnected) void start();
    return () => {
      ended = true;
      clearTimeout(timer);
      hub.off('StateChanged', changed);
      void hub.stop();
    };
  }, [hub, id]);

  return <output>{state}</output>;
}
