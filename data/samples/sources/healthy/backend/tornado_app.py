"""Tornado: single process, clients removed on close, origin checked."""

import tornado.ioloop
import tornado.web
import tornado.websocket


class Live(tornado.websocket.WebSocketHandler):
    waiters = set()

    def check_origin(self, origin):
        return origin == "https://app.example.test"

    def open(self):
        Live.waiters.add(self)

    def on_close(self):
        Live.waiters.discard(self)

    @classmethod
    def publish(cls, text):
        for waiter in list(cls.waiters):
            try:
                waiter.write_message(text)
            except tornado.websocket.WebSocketClosedError:
                cls.waiters.discard(waiter)


application = tornado.web.Application([(r"/live", Live)], websocket_ping_interval=20)
application.listen(8888)
tornado.ioloop.IOLoop.current().start()
