// Angular: one shared rxjs socket, exponential retry with jitter, topics asked for again on every opening, missed orders fetched.
import { HttpClient } from '@angular/common/http';
import { Injectable, NgZone, OnDestroy, inject } from '@angular/core';
import { BehaviorSubject, EMPTY, Observable, Subject, merge, timer } from 'rxjs';
import { bufferTime, catchError, filter, map, retry, share, switchMap, takeUntil } from 'rxjs/operators';
import { WebSocketSubject, webSocket } from 'rxjs/webSocket';

export interface OrderEvent {
  type: 'order.created' | 'order.shipped';
  seq: number;
  order: { id: string; total: number };
}

@Injectable({ providedIn: 'root' })
export class OrderFeedService implements OnDestroy {
  private readonly http = inject(HttpClient);
  private readonly zone = inject(NgZone);
  private readonly destroyed = new Subject<void>();
  private readonly opened = new Subject<Event>();
  private readonly topics = new Set<string>();
  private lastSeq = 0;
  readonly online = new BehaviorSubject(false);

  private readonly socket: WebSocketSubject<unknown> = webSocket({
    url: `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/ws/orders`,
    openObserver: this.opened,
    closeObserver: { next: () => this.online.next(false) },
    deserializer: (event) => {
      try {
        return JSON.parse(event.data);
      } catch {
        return { type: 'unreadable' };
      }
    },
  });

  readonly orders: Observable<OrderEvent[]> = this.socket.pipe(
    retry({ delay: (_, count) => timer(Math.min(30_000, 500 * 2 ** count) * (0.5 + Math.random() / 2)), resetOnSuccess: true }),
    filter((message): message is OrderEvent => (message as OrderEvent).type?.startsWith('order.')),
    bufferTime(100),
    filter((batch) => batch.length > 0),
    map((batch) => this.remember(batch)),
    takeUntil(this.destroyed),
    share(),
  );

  constructor() {
    this.opened
      .pipe(
        switchMap(() => this.http.get<OrderEvent[]>(`/api/orders/events?after=${this.lastSeq}`).pipe(catchError(() => EMPTY))),
        takeUntil(this.destroyed),
      )
      .subscribe((missed) => this.zone.run(() => this.remember(missed)));
    this.opened.pipe(takeUntil(this.destroyed)).subscribe(() => {
      this.online.next(true);
      for (const topic of this.topics) this.socket.next({ type: 'subscribe', topic });
    });
  }

  follow(topic: string): void {
    this.topics.add(topic);
    if (this.online.value) this.socket.next({ type: 'subscribe', topic });
  }

  private remember(batch: OrderEvent[]): OrderEvent[] {
    for (const event of batch) this.lastSeq = Math.max(this.lastSeq, event.seq);
    return batch;
  }

  ngOnDestroy(): void {
    this.destroyed.next();
    this.socket.complete();
  }
}
