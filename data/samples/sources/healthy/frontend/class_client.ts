// A typed client: queue until open, watchdog, reconnect with growing delay.
type Listener = (message: unknown) => void;

export class Feed {
  private socket?: WebSocket;
  private queue: string[] = [];
  private delay = 500;
  private lastMessage = Date.now();

  constructor(private readonly url: URL, private readonly listener: Listener) {
    this.open();
    setInterval(() => this.check(), 15000);
  }

  private open(): void {
    const socket = new WebSocket(this.url);
    this.socket = socket;
    socket.addEventListener("message", (event) => this.receive(event));
    socket.addEventListener("open", () => this.flush());
    socket.addEventListener("close", () => this.retry());
  }

  private receive(event: MessageEvent<string>): void {
    this.lastMessage = Date.now();
    try {
      this.listener(JSON.parse(event.data));
    } catch (error) {
      console.error(error);
    }
  }

  private flush(): void {
    this.delay = 500;
    for (const text of this.queue.splice(0)) this.socket?.send(text);
  }

  send(value: unknown): void {
    const text = JSON.stringify(value);
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(text);
    else this.queue.push(text);
  }

  private retry(): void {
    setTimeout(() => this.open(), this.delay + Math.random() * this.delay);
    this.delay = Math.min(this.delay * 2, 30000);
  }

  private check(): void {
    if (Date.now() - this.lastMessage > 45000) this.socket?.close();
  }
}
