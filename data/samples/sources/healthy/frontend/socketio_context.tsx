// Socket.IO in React: one socket for the application, named handlers that are taken away, rooms joined on every connect.
import { createContext, useContext, useEffect, useState, type ReactNode } from 'react';
import { io, type Socket } from 'socket.io-client';

const socket: Socket = io({
  autoConnect: false,
  auth: (done) => done({ token: sessionStorage.getItem('token') }),
  reconnectionDelayMax: 20000,
});
const SocketContext = createContext(socket);

export function SocketProvider({ children }: { children: ReactNode }) {
  useEffect(() => {
    socket.connect();
    return () => {
      socket.disconnect();
    };
  }, []);
  return <SocketContext.Provider value={socket}>{children}</SocketContext.Provider>;
}

export function Room({ id }: { id: string }) {
  const live = useContext(SocketContext);
  const [messages, setMessages] = useState<{ id: number; text: string }[]>([]);
  const [draft, setDraft] = useState('');

  useEffect(() => {
    const join = () => {
      live.emit('join', id, (backlog: { id: number; text: string }[]) => setMessages(backlog));
    };
    const add = (message: { id: number; text: string }) => setMessages((known) => [...known, message].slice(-300));
    live.on('connect', join);
    live.on('message:new', add);
    if (live.connected) join();
    return () => {
      live.off('connect', join);
      live.off('message:new', add);
      live.emit('leave', id);
    };
  }, [live, id]);

  const say = () => {
    live.timeout(5000).emit('message:say', { room: id, text: draft }, (error: Error | null) => !error && setDraft(''));
  };

  return (
    <section>
      {messages.map((message) => (
        <p key={message.id}>{message.text}</p>
      ))}
      <input value={draft} onChange={(event) => setDraft(event.target.value)} />
      <button onClick={say}>Send</button>
    </section>
  );
}
