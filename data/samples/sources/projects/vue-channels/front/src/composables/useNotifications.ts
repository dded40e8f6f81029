import { useWebSocket } from '@vueuse/core'

export function useNotifications() {
  const secure = window.location.protocol === 'https:'
  const url = `${secure ? 'wss' : 'ws'}://${window.location.host}/ws/notifications/`
  return useWebSocket(url, { autoReconnect: { retries: 10, delay: 2000 }, heartbeat: true })
}
