const base = process.env.REACT_APP_API_URL || window.location.origin;
export function openFeed() {
  const url = new URL('/v1/feed', base);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  url.searchParams.set('since', '0');
  return new WebSocket(url);
}
