// gorilla/websocket: one writer per connection, a bounded channel, pings below every usual idle limit.
package main

import (
	"net/http"
	"time"

	"github.com/gorilla/websocket"
)

var upgrader = websocket.Upgrader{}

type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func writePump(conn *websocket.Conn, send <-chan []byte) {
	ticker := time.NewTicker(25 * time.Second)
	defer ticker.Stop()
	defer conn.Close()
	for {
		select {
		case message, ok := <-send:
			if !ok || conn.WriteMessage(websocket.TextMessage, message) != nil {
				return
			}
		case <-ticker.C:
			if conn.WriteMessage(websocket.PingMessage, nil) != nil {
				return
			}
		}
	}
}

func main() {
	http.HandleFunc("/ws", func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err == nil {
			go writePump(conn, make(chan []byte, 64))
		}
	})
	http.ListenAndServe(":8080", nil)
}
