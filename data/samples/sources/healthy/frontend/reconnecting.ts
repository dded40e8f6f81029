// reconnecting-websocket: the URL comes from a function, asked for each attempt; open subscribes to everything that is wanted.
import ReconnectingWebSocket from 'reconnecting-websocket';

type Listener = (value: unknown) => void;
type Envelope = { topic: string; value: unknown; offset: number };

export class Feed {
  private readonly listeners = new Map<string, Set<Listener>>();
  private readonly offsets = new Map<string, number>();
  private readonly socket: ReconnectingWebSocket;

  constructor(private readonly ticket: () => Promise<string>) {
    const address = async () => `wss://${location.host}/feed?ticket=${await this.ticket()}`;
    this.socket = new ReconnectingWebSocket(address, [], { minReconnectionDelay: 1000, maxReconnectionDelay: 30000, connectionTimeout: 8000 });
    this.socket.addEventListener('open', () => {
      for (const topic of this.listeners.keys()) this.ask(topic);
    });
    this.socket.addEventListener('message', (event) => this.deliver(String(event.data)));
  }

  on(topic: string, listener: Listener): () => void {
    const known = this.listeners.get(topic) ?? new Set<Listener>();
    known.add(listener);
    this.listeners.set(topic, known);
    if (known.size === 1 && this.socket.readyState === WebSocket.OPEN) this.ask(topic);
    return () => known.delete(listener);
  }

  private ask(topic: string): void {
    this.socket.send(JSON.stringify({ op: 'subscribe', topic, after: this.offsets.get(topic) ?? 0 }));
  }

  private deliver(text: string): void {
    let envelope: Envelope;
    try {
      envelope = JSON.parse(text) as Envelope;
    } catch {
      return;
    }
    this.offsets.set(envelope.topic, envelope.offset);
    for (const listener of this.listeners.get(envelope.topic) ?? []) listener(envelope.value);
  }

  close(): void {
    this.socket.close();
  }
}
