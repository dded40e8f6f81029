import { browser } from '$app/environment';

export const live = browser ? new WebSocket(new URL('/live', location.href.replace(/^http/, 'ws'))) : undefined;
