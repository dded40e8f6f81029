// Jakarta: one queue and one sender per session; the scheduled task survives its own exceptions.
package test.example;

import jakarta.websocket.*;
import jakarta.websocket.server.ServerEndpoint;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Map;
import java.util.concurrent.*;

@ServerEndpoint("/board")
public class JakartaBoard {
    private static final Map<Session, BlockingQueue<String>> OPEN = new ConcurrentHashMap<>();
    private static final ScheduledExecutorService TIMER = Executors.newSingleThreadScheduledExecutor();

    static {
        TIMER.scheduleAtFixedRate(JakartaBoard::pingAll, 20, 20, TimeUnit.SECONDS);
    }

    @OnOpen
    public void open(Session session) {
        OPEN.put(session, new ArrayBlockingQueue<>(100));
    }

    @OnClose
    public void close(Session session) {
        OPEN.remove(session);
    }

    public static void publish(String text) {
        OPEN.forEach((session, queue) -> {
            if (!queue.offer(text)) {
                OPEN.remove(session);
            }
        });
    }

    private static void pingAll() {
        for (Session session : OPEN.keySet()) {
            try {
                session.getBasicRemote().sendPing(ByteBuffer.allocate(0));
            } catch (IOException | RuntimeException gone) {
                OPEN.remove(session);
            }
        }
    }
}
