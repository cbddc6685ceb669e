"""Django Channels: everybody in one group, of its memory layer, or with BUS_URL of one of channels_redis."""

import json
import os

import django
from django.conf import settings

LAYERS = {
    "memory": "channels.layers.InMemoryChannelLayer",
    "channels_redis, core layer": "channels_redis.core.RedisChannelLayer",
    "channels_redis, pub/sub layer": "channels_redis.pubsub.RedisPubSubChannelLayer",
}
bus = os.environ.get("BUS_URL")
layer = {"BACKEND": LAYERS[os.environ.get("BUS_LAYER") or "memory"]}
if bus:
    layer["CONFIG"] = {"hosts": [bus]}

settings.configure(
    SECRET_KEY="benchmarks",
    ALLOWED_HOSTS=["*"],
    INSTALLED_APPS=["channels"],
    CHANNEL_LAYERS={"default": layer},
)
django.setup()

from channels.generic.websocket import AsyncWebsocketConsumer  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.urls import path  # noqa: E402


class BenchConsumer(AsyncWebsocketConsumer):
    async def receive(self, text_data=None, bytes_data=None):
        message = json.loads(text_data)
        if message["action"] == "subscribe":
            await self.channel_layer.group_add("bench", self.channel_name)
            await self.send('{"type":"subscribed"}')
        elif message["action"] == "echo":
            await self.send(json.dumps({"type": "echo", "message": message}))
        elif message["action"] == "broadcast":
            text = json.dumps({"type": "broadcast", "message": message})
            await self.channel_layer.group_send("bench", {"type": "bench.message", "text": text})

    async def bench_message(self, event):
        await self.send(event["text"])

    async def disconnect(self, code):
        await self.channel_layer.group_discard("bench", self.channel_name)


application = ProtocolTypeRouter({"websocket": URLRouter([path("ws", BenchConsumer.as_asgi())])})
