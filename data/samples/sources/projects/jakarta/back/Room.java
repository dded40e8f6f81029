import jakarta.websocket.server.ServerEndpoint;

@ServerEndpoint(value = "/rooms/{room}")
public class Room {
}
