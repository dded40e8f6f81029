// Spring: sessions are wrapped, so that several threads may send.
package test.example;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.springframework.web.socket.*;
import org.springframework.web.socket.handler.*;

public class SpringFeed extends TextWebSocketHandler {
    private final Map<String, WebSocketSession> sessions = new ConcurrentHashMap<>();

    @Override
    public void afterConnectionEstablished(WebSocketSession session) {
        sessions.put(session.getId(), new ConcurrentWebSocketSessionDecorator(session, 5000, 65536));
    }

    @Override
    public void afterConnectionClosed(WebSocketSession session, CloseStatus status) {
        sessions.remove(session.getId());
    }

    public void publish(String text) {
        for (WebSocketSession session : sessions.values()) {
            try {
                session.sendMessage(new TextMessage(text));
            } catch (Exception error) {
                sessions.remove(session.getId());
            }
        }
    }
}
