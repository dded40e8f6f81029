// coder/websocket: writes may come from several goroutines; each has its own time limit, and the map has a lock.
package hub

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"
)

type Hub struct {
	mu    sync.Mutex
	peers map[*websocket.Conn]struct{}
}

func (h *Hub) Serve(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{OriginPatterns: []string{"live.example"}})
	if err != nil {
		return
	}
	ctx := conn.CloseRead(r.Context())
	h.mu.Lock()
	h.peers[conn] = struct{}{}
	h.mu.Unlock()
	<-ctx.Done()
	h.mu.Lock()
	delete(h.peers, conn)
	h.mu.Unlock()
}

func (h *Hub) Broadcast(text []byte) {
	h.mu.Lock()
	peers := make([]*websocket.Conn, 0, len(h.peers))
	for conn := range h.peers {
		peers = append(peers, conn)
	}
	h.mu.Unlock()
	for _, conn := range peers {
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			if conn.Write(ctx, websocket.MessageText, text) != nil {
				conn.CloseNow()
			}
		}()
	}
}
