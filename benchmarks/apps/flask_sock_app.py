"""flask-sock: clients in a set, and a loop over them."""

import json

from flask import Flask
from flask_sock import Sock
from simple_websocket import ConnectionClosed

app = Flask(__name__)
sock = Sock(app)
clients = set()


def broadcast(text):
    for client in list(clients):
        try:
            client.send(text)
        except ConnectionClosed:
            clients.discard(client)


@sock.route("/ws")
def serve(ws):
    try:
        while True:
            answer(ws, json.loads(ws.receive()))
    finally:
        clients.discard(ws)


def answer(ws, message):
    if message["action"] == "subscribe":
        clients.add(ws)
        ws.send('{"type":"subscribed"}')
    elif message["action"] == "echo":
        ws.send(json.dumps({"type": "echo", "message": message}))
    elif message["action"] == "broadcast":
        broadcast(json.dumps({"type": "broadcast", "message": message}))
