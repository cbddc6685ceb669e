"""The floor of Flask under gunicorn: a request that reads the session, then the least that speaks WebSocket.

It is the floor of a handshake and of a command; a broadcast is a plain loop over the clients. No application
context for a message, no limits, no queue, no hooks, no errors: nothing that a user could use.
"""

import _socket
import base64
import hashlib
import json
import os
from contextlib import suppress

from flask import Flask, session
from gevent import get_hub
from websockets.frames import Frame, Opcode, apply_mask

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
HEAD = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: %b\r\n\r\n"
)

flask_app = Flask(__name__)
flask_app.config["SECRET_KEY"] = "benchmarks"
clients = set()


@flask_app.get("/login")
def login():
    session["user_id"] = 1
    return "", 204


@flask_app.route("/ws", websocket=True)
def current_user():
    return str(session.get("user_id"))


def app(environ, start_response):
    if environ["PATH_INFO"] != "/ws":
        return flask_app(environ, start_response)
    for _ in flask_app(environ, lambda *_: None):
        pass
    Client(environ).answer(environ["HTTP_SEC_WEBSOCKET_KEY"])
    raise StopIteration  # gunicorn: leave this line alone


class Client:
    __slots__ = ("sock", "watch")

    def __init__(self, environ):
        self.sock = _socket.socket(fileno=os.dup(environ["gunicorn.socket"].fileno()))
        self.sock.setblocking(False)
        self.watch = get_hub().loop.io(self.sock.fileno(), 1)
        self.watch.start(self.read)

    def answer(self, key):
        digest = hashlib.sha1(key.encode() + GUID).digest()
        self.sock.send(HEAD % base64.b64encode(digest))

    def read(self):
        data = b""
        with suppress(OSError):
            data = self.sock.recv(65536)
        if data and data[0] == 0x81:
            start = 6 if data[1] < 0xFE else 8
            return self.obey(json.loads(apply_mask(data[start:], data[start - 4 : start])))
        clients.discard(self)
        self.watch.stop()
        self.watch.close()
        self.sock.close()

    def obey(self, message):
        if message["action"] == "subscribe":
            clients.add(self)
            self.say(framed({"type": "subscribed"}))
        elif message["action"] == "echo":
            self.say(framed({"type": "echo", "message": message}))
        else:
            frame = framed({"type": "broadcast", "message": message})
            for client in clients:
                client.say(frame)

    def say(self, frame):
        with suppress(OSError):
            self.sock.send(frame)


def framed(value):
    return Frame(Opcode.TEXT, json.dumps(value).encode()).serialize(mask=False)
