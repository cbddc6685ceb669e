"""The application of the server matrix: it echoes, pours, broadcasts and closes. Its limits are high.

`/cable` is the cable's own route; `/sock` hands over a flask-sock object, where flask-sock is installed, and
`/gevent` the object of gevent-websocket.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import os
import sys
import threading
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from flask import Flask, request
from flask.typing import ResponseReturnValue

from flask_cable import Cable, Channel, Connection, signals
from support.apps.insight import insight

cable = Cable()
closings: list[tuple[int, str]] = []
LIMIT = 2**28


@cable.channel
class EchoChannel(Channel):
    """Answers only to the one who asks."""

    def echo(self, data: dict[str, Any]) -> None:
        self.transmit({"body": data["body"]})

    def pour(self, data: dict[str, Any]) -> None:
        """Transmit `count` messages of `size` random bytes, without waiting for anybody."""
        for number in range(data["count"]):
            self.transmit(parcel(number, data["size"]))

    def goodbye(self, data: dict[str, Any]) -> None:
        self.connection.close(data["code"], data["reason"])


@cable.channel
class NewsChannel(Channel):
    """Hears what `/broadcast` broadcasts."""

    def subscribed(self) -> None:
        self.stream_from("news")


def parcel(number: int, size: int) -> dict[str, Any]:
    """Return a message which proves that it arrived whole."""
    body = base64.b64encode(os.urandom(size)).decode()
    return {"number": number, "body": body, "digest": hashlib.sha256(body.encode()).hexdigest()}


def create_app() -> Flask:
    """Return the application."""
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY="matrix",
        CABLE_MAX_MESSAGE_BYTES=LIMIT,
        CABLE_OUTBOX_BYTES=LIMIT,
        CABLE_STALE_AFTER=600,
        SOCK_SERVER_OPTIONS={"subprotocols": ["actioncable-v1-json"]},
    )
    app.add_url_rule("/", view_func=home)
    app.add_url_rule("/stats", view_func=stats)
    app.add_url_rule("/broadcast", view_func=broadcast, methods=["POST"])
    app.add_url_rule("/gevent", view_func=hand_over, websocket=True)
    cable.init_app(app)
    signals.disconnected.connect(note_closing, app)
    if find_spec("flask_sock"):
        add_sock_route(app)
    return app


def add_sock_route(app: Flask) -> None:
    """Serve the cable over flask-sock's object, too."""
    from flask_sock import Sock

    Sock(app).route("/sock")(lambda ws: cable.serve(ws))


def hand_over() -> ResponseReturnValue:
    """Serve the cable over gevent-websocket's object."""
    return cable.serve(request.environ["wsgi.websocket"])


def note_closing(app: Flask, connection: Connection, code: int, reason: str) -> None:
    """Remember how a connection ended."""
    closings.append((code, reason))


def home() -> ResponseReturnValue:
    """Say that the server is there."""
    return "ready"


def stats() -> ResponseReturnValue:
    """Tell what is open, and how what is not has ended."""
    return {**insight(cable), "closings": closings}


def broadcast() -> ResponseReturnValue:
    """Let `writers` threads broadcast `count` messages of `size` bytes each, all at the same time."""
    body = request.get_json()
    jobs = [writer(name, body["count"], body["size"]) for name in range(body["writers"])]
    run_native(jobs) if body.get("native") else run_threads(jobs)
    return "", 204


def writer(name: int, count: int, size: int) -> Callable[[], None]:
    """Return what one thread does."""

    def write() -> None:
        for number in range(count):
            cable.broadcast("news", {"writer": name, **parcel(number, size)})

    return write


def run_threads(jobs: list[Callable[[], None]]) -> None:
    """Run the jobs in threads, which are greenlets where gevent has patched the process."""
    threads = [threading.Thread(target=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def run_native(jobs: list[Callable[[], None]]) -> None:
    """Run the jobs in threads of the operating system."""
    if "gevent" not in sys.modules:
        return run_threads(jobs)
    from gevent import get_hub, joinall

    joinall([get_hub().threadpool.spawn(job) for job in jobs])
    return None
