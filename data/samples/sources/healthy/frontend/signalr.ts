// SignalR: automatic reconnect, groups joined again.
import * as signalR from "@microsoft/signalr";

const connection = new signalR.HubConnectionBuilder()
  .withUrl("/hubs/orders")
  .withAutomaticReconnect([0, 2000, 10000, 30000])
  .build();

const join = () => connection.invoke("JoinGroup", "orders");

connection.on("orderChanged", (order) => update(order));
connection.onreconnected(join);
connection.start().then(join);
