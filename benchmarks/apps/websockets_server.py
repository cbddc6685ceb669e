"""websockets on asyncio, with its own broadcast(). Argument: the port."""

import asyncio
import json
import sys

from websockets.asyncio.server import broadcast, serve

clients = set()


async def handler(ws):
    try:
        async for text in ws:
            await answer(ws, json.loads(text))
    finally:
        clients.discard(ws)


async def answer(ws, message):
    if message["action"] == "subscribe":
        clients.add(ws)
        await ws.send('{"type":"subscribed"}')
    elif message["action"] == "echo":
        await ws.send(json.dumps({"type": "echo", "message": message}))
    elif message["action"] == "broadcast":
        broadcast(clients, json.dumps({"type": "broadcast", "message": message}))


async def main(port):
    async with serve(handler, "127.0.0.1", port, compression=None, backlog=4096):
        await asyncio.Future()


asyncio.run(main(int(sys.argv[1])))
