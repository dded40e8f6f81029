import { webSocket } from 'rxjs/webSocket';

enum Channel { Quotes = 'quotes', Trades = 'trades' }

class Connection {
  private readonly base = location.origin.replace(/^http/, 'ws');
  get url() { return `${this.base}/stream/${Channel.Quotes}`; }
  open() { return webSocket({ url: this.url }); }
}
export const quotes = new Connection().open();
