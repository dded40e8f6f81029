// Action Cable: the consumer reconnects and confirms subscriptions again by itself; connected() fetches what was missed.
import { createConsumer } from '@rails/actioncable';

const consumer = createConsumer();

class AuctionController {
  connect(element) {
    this.element = element;
    this.newest = Number(element.dataset.newest);
    this.subscription = consumer.subscriptions.create(
      { channel: 'AuctionChannel', id: element.dataset.auction },
      {
        connected: () => this.catchUp(),
        disconnected: () => this.element.classList.add('stale'),
        rejected: () => this.element.classList.add('refused'),
        received: (bid) => this.add(bid),
      },
    );
  }

  async catchUp() {
    this.element.classList.remove('stale');
    const answer = await fetch(`/auctions/${this.element.dataset.auction}/bids?after=${this.newest}`);
    for (const bid of await answer.json()) this.add(bid);
  }

  add(bid) {
    if (bid.id <= this.newest) return;
    this.newest = bid.id;
    const row = document.createElement('li');
    row.textContent = `${bid.user}: ${bid.amount}`;
    this.element.prepend(row);
  }

  disconnect() {
    this.subscription.unsubscribe();
  }
}

export { AuctionController };
