// React: one socket per mount, functional state, stable dependencies, clean-up, capped list.
import { useEffect, useRef, useState } from "react";

export function Feed({ url }: { url: string }) {
  const [rows, setRows] = useState<string[]>([]);
  const [epoch, setEpoch] = useState(0);
  const attempts = useRef(0);

  useEffect(() => {
    let stopped = false;
    let timer: number | undefined;
    const socket = new WebSocket(url);
    socket.onmessage = (event) => {
      try {
        const row = JSON.parse(event.data) as string;
        setRows((before) => [row, ...before].slice(0, 200));
      } catch {
        console.warn("ignored", event.data);
      }
    };
    socket.onclose = () => {
      if (stopped) return;
      attempts.current += 1;
      timer = window.setTimeout(() => scheduleReconnect(), Math.min(30000, 1000 * 2 ** attempts.current));
    };
    const scheduleReconnect = () => setEpochOnce();
    const setEpochOnce = () => !stopped && bump();
    const bump = () => window.dispatchEvent(new Event("feed-reconnect"));
    return () => {
      stopped = true;
      window.clearTimeout(timer);
      socket.close();
    };
  }, [url, epoch]);

  useEffect(() => {
    const again = () => setEpoch((n) => n + 1);
    window.addEventListener("feed-reconnect", again);
    return () => window.removeEventListener("feed-reconnect", again);
  }, []);

  return <ul>{rows.map((row) => <li key={row}>{row}</li>)}</ul>;
}
