"""Flask-SocketIO: the message queue is given where the application is given."""

from flask import Flask
from flask_socketio import SocketIO

socketio = SocketIO()


def create_app():
    app = Flask(__name__)
    socketio.init_app(app, message_queue="redis://cache:6379/0", ping_interval=20)
    return app


@socketio.on("message")
def on_message(data):
    socketio.emit("message", data)
