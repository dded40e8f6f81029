// react-use-websocket: the hook reconnects with a growing delay, beats, and subscribes whenever the socket opens.
import { useCallback, useEffect, useReducer } from 'react';
import useWebSocket, { ReadyState } from 'react-use-websocket';

type Quote = { symbol: string; price: number };
type Action = { type: 'quotes'; quotes: Quote[] };

function reducer(state: Record<string, number>, action: Action) {
  const next = { ...state };
  for (const quote of action.quotes) next[quote.symbol] = quote.price;
  return next;
}

export function Ticker({ symbols }: { symbols: string[] }) {
  const [prices, dispatch] = useReducer(reducer, {});
  const wanted = symbols.join(',');
  const getSocketUrl = useCallback(async () => {
    const answer = await fetch('/api/ticket', { method: 'POST' });
    const { ticket } = await answer.json();
    return `wss://${window.location.host}/quotes?ticket=${ticket}`;
  }, []);

  const { sendJsonMessage, lastJsonMessage, readyState } = useWebSocket<{ quotes?: Quote[] }>(getSocketUrl, {
    shouldReconnect: (event) => event.code !== 4403,
    reconnectAttempts: 100,
    reconnectInterval: (attempt) => Math.min(30000, 2 ** attempt * 500) * (0.5 + Math.random() / 2),
    heartbeat: { message: 'ping', returnMessage: 'pong', interval: 20000, timeout: 45000 },
  });

  useEffect(() => {
    if (readyState === ReadyState.OPEN) sendJsonMessage({ type: 'subscribe', symbols: wanted.split(',') });
  }, [readyState, wanted, sendJsonMessage]);

  useEffect(() => {
    if (lastJsonMessage?.quotes) dispatch({ type: 'quotes', quotes: lastJsonMessage.quotes });
  }, [lastJsonMessage]);

  return (
    <dl>
      {symbols.map((symbol) => (
        <div key={symbol}>
          <dt>{symbol}</dt>
          <dd>{prices[symbol]?.toFixed(2) ?? '–'}</dd>
        </div>
      ))}
    </dl>
  );
}
