// React Native: the native socket takes headers here; coming to the foreground replaces the socket, a watchdog ends a dead one.
import React, { useCallback, useEffect, useRef, useState } from 'react';
import { AppState, FlatList, Text } from 'react-native';
import NetInfo from '@react-native-community/netinfo';
import { freshToken } from './session';

const BASE = 'wss://rides.example.com/driver';

export function RideList() {
  const [rides, setRides] = useState([]);
  const socket = useRef(null);
  const retry = useRef({ count: 0, timer: null });
  const heard = useRef(0);
  const stopped = useRef(false);

  const connect = useCallback(async () => {
    clearTimeout(retry.current.timer);
    const token = await freshToken();
    if (stopped.current) return;
    const previous = socket.current;
    if (previous) {
      previous.onclose = null;
      previous.close();
    }
    const ws = new WebSocket(BASE, [], { headers: { Authorization: `Bearer ${token}` } });
    socket.current = ws;
    ws.onopen = () => {
      retry.current.count = 0;
      heard.current = Date.now();
      ws.send(JSON.stringify({ action: 'subscribe', channel: 'rides' }));
      loadMissed();
    };
    ws.onmessage = (event) => {
      heard.current = Date.now();
      let message;
      try {
        message = JSON.parse(event.data);
      } catch (error) {
        console.warn('unreadable message', error);
        return;
      }
      if (message.action === 'ride') setRides((known) => [message.ride, ...known].slice(0, 100));
    };
    ws.onerror = (error) => console.warn('socket', error.message);
    ws.onclose = (event) => {
      if (stopped.current || event.code === 4401) return;
      const wait = Math.min(60000, 1000 * 2 ** retry.current.count) * (0.5 + Math.random() / 2);
      retry.current.count += 1;
      retry.current.timer = setTimeout(connect, wait);
    };
  }, []);

  const loadMissed = useCallback(async () => {
    const answer = await fetch('https://rides.example.com/rides/open');
    if (answer.ok) setRides(await answer.json());
  }, []);

  useEffect(() => {
    stopped.current = false;
    connect();
    const state = AppState.addEventListener('change', (next) => next === 'active' && connect());
    const net = NetInfo.addEventListener((info) => info.isConnected && connect());
    const watchdog = setInterval(() => {
      if (Date.now() - heard.current > 45000) socket.current?.close();
      else socket.current?.readyState === WebSocket.OPEN && socket.current.send('{"action":"ping"}');
    }, 20000);
    return () => {
      stopped.current = true;
      clearInterval(watchdog);
      clearTimeout(retry.current.timer);
      state.remove();
      net();
      socket.current?.close();
    };
  }, [connect]);

  return <FlatList data={rides} keyExtractor={(ride) => ride.id} renderItem={({ item }) => <Text>{item.from}</Text>} />;
}
