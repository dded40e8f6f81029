let client = null;
function connect() {
  client = Stomp.over(function () { return new SockJS('/portfolio'); });
  client.reconnect_delay = 5000;
  client.connect({}, function () { client.subscribe('/topic/prices', show); });
}
