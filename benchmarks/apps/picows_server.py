"""picows, whose frames are Cython, on uvloop. Argument: the port."""

import json
import sys

import uvloop
from picows import WSListener, WSMsgType, ws_create_server

clients = set()


class Listener(WSListener):
    def on_ws_disconnected(self, transport):
        clients.discard(transport)

    def on_ws_frame(self, transport, frame):
        if frame.msg_type == WSMsgType.CLOSE:
            transport.send_close()
            transport.disconnect()
        elif frame.msg_type == WSMsgType.TEXT:
            answer(transport, json.loads(frame.get_payload_as_bytes()))


def answer(transport, message):
    if message["action"] == "subscribe":
        clients.add(transport)
        transport.send(WSMsgType.TEXT, b'{"type":"subscribed"}')
    elif message["action"] == "echo":
        transport.send(WSMsgType.TEXT, json.dumps({"type": "echo", "message": message}).encode())
    elif message["action"] == "broadcast":
        payload = json.dumps({"type": "broadcast", "message": message}).encode()
        for client in clients:
            client.send(WSMsgType.TEXT, payload)


async def main(port):
    server = await ws_create_server(lambda request: Listener(), "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


uvloop.run(main(int(sys.argv[1])))
