"""An application to be leaned on: channels that fail where they are told to, and a view of what is held.

`GET /held` tells file descriptors, greenlets, threads, connections, streams, watches and resident KiB.
"""

from __future__ import annotations

import gc
import os
import threading
from collections import deque

from flask import Flask, request

from flask_cable import Cable, Channel, Connection, periodically

cable = Cable()
seen: deque[str] = deque(maxlen=1000)  # a test of leaks must not leak
"""What hooks have run last, in their order."""


@cable.connection
class LoadConnection(Connection):
    identified_by = ("name",)

    def connect(self) -> None:
        self.name = request.args.get("name", "")
        _fail_if("connect", request.args.get("fail"))

    def disconnected(self) -> None:
        seen.append(f"disconnected {self.name}")
        _fail_if("disconnected", self.request.args.get("fail"))


@cable.channel
class LoadChannel(Channel):
    def subscribed(self) -> None:
        _fail_if("subscribed", self.params.get("fail"))
        self.stream_from("load")
        self.stream_from("aside", callback=self.transmit)

    def unsubscribed(self) -> None:
        seen.append(f"unsubscribed {self.name}")
        _fail_if("unsubscribed", self.params.get("fail"))

    def echo(self, data: dict[str, object]) -> None:
        self.transmit(data)

    def say(self, data: dict[str, object]) -> None:
        self.broadcast_to(str(data.get("stream", "load")), data)

    def break_off(self) -> None:
        self.connection.disconnect("enough", reconnect=False)

    @periodically(every=0.2)
    def tick(self) -> None:
        _fail_if("tick", self.params.get("fail"))


@cable.channel
class PriceChannel(Channel):
    overflow = "keep_latest"

    def subscribed(self) -> None:
        self.stream_from("prices")


@cable.channel
class LogChannel(Channel):
    overflow = "drop_oldest"

    def subscribed(self) -> None:
        self.stream_from("lines")


def _fail_if(place: str, wanted: object) -> None:
    if place == wanted:
        raise RuntimeError(f"told to fail in {place}")


def create_app() -> Flask:
    app = Flask(__name__)
    app.config["SECRET_KEY"] = "load"
    app.config.from_prefixed_env("LOAD")
    cable.init_app(app)

    @app.get("/")
    def index() -> str:
        return "ready"

    @app.get("/held")
    def held() -> dict[str, object]:
        return _held(app)

    @app.get("/seen")
    def what_was_seen() -> list[str]:
        return list(seen)

    @app.post("/broadcast/<stream>")
    def broadcast(stream: str) -> str:
        cable.broadcast(stream, request.get_json())
        return "sent"

    return app


def _held(app: Flask) -> dict[str, object]:
    gc.collect()
    runtime = app.extensions["cable"].runtime()
    with open("/proc/self/statm") as statm:
        pages = int(statm.read().split()[1])
    return {
        "pid": os.getpid(),
        "fds": len(os.listdir("/proc/self/fd")),
        "greenlets": sum(type(one).__name__ == "greenlet" for one in gc.get_objects()),
        "threads": threading.active_count(),
        "connections": len(cable.connections),
        "taken": runtime.registry.taken,
        "streams": [name for name in runtime.hub.streams if not name.startswith("flask_cable/")],
        "watched": runtime.executor.watched,
        "counts": dict(runtime.handler.counts),
        "rss_kib": pages * os.sysconf("SC_PAGESIZE") // 1024,
    }
