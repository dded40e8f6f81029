// STOMP: one client, subscriptions inside onConnect, heartbeats both ways.
import { Client } from "@stomp/stompjs";

export const client = new Client({
  brokerURL: `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/stomp`,
  reconnectDelay: 4000,
  heartbeatIncoming: 20000,
  heartbeatOutgoing: 20000,
  onConnect: () => {
    client.subscribe("/topic/news", (frame) => {
      try {
        show(JSON.parse(frame.body));
      } catch (error) {
        report(error);
      }
    });
  },
});

client.activate();
