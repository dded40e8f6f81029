// graphql-ws retries with exponential delays by itself; subscriptions are sent again.
import { createClient } from "graphql-ws";

export const client = createClient({
  url: () => location.origin.replace(/^http/, "ws") + "/graphql",
  lazy: true,
  keepAlive: 10_000,
  retryAttempts: 100,
});

export function watch(query: string, next: (value: unknown) => void): () => void {
  return client.subscribe({ query }, { next, error: console.error, complete: () => undefined });
}
