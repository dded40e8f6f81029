import tornado.ioloop
import tornado.web
from tornado.websocket import WebSocketHandler


class Stream(WebSocketHandler):
    def open(self, channel: str) -> None:
        self.channel = channel


app = tornado.web.Application([(r'/stream/(\w+)', Stream)])
app.listen(8888)
tornado.ioloop.IOLoop.current().start()
