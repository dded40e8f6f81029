import useWebSocket from 'react-use-websocket';
import { WS_BASE, paths } from './config';

export function Orders({ id }: { id: string }) {
  const { lastJsonMessage } = useWebSocket(WS_BASE + paths.orders(id), { shouldReconnect: () => true });
  return <pre>{JSON.stringify(lastJsonMessage)}</pre>;
}
