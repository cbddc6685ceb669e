"""Pub/sub over a real Redis server."""

from pubsub.networked import NetworkContract


class TestRedisPubSub(NetworkContract):
    server = "redis_server"
