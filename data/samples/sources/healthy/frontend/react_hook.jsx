// A library hook does the work; state is updated by functions.
import useWebSocket from "react-use-websocket";
import { useEffect, useState } from "react";

export default function Ticker({ url }) {
  const [prices, setPrices] = useState({});
  const { lastJsonMessage, sendJsonMessage, readyState } = useWebSocket(url, {
    shouldReconnect: () => true,
    reconnectInterval: (attempt) => Math.min(2 ** attempt * 1000, 30000),
    onOpen: () => sendJsonMessage({ subscribe: "prices" }),
  });
  useEffect(() => {
    if (lastJsonMessage) setPrices((before) => ({ ...before, [lastJsonMessage.id]: lastJsonMessage.price }));
  }, [lastJsonMessage]);
  return <pre data-state={readyState}>{JSON.stringify(prices)}</pre>;
}
