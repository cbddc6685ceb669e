"""The application of the limits: a feed that some do not read, and an action that is slower than its peer."""

from __future__ import annotations

import threading
from typing import Any

from flask import Flask
from flask.typing import ResponseReturnValue

from flask_cable import Cable, Channel
from support.apps.insight import insight, resident

cable = Cable()
gate = threading.Event()  # under gevent, which has patched it, others work meanwhile too


@cable.channel
class FeedChannel(Channel):
    """What one feeds, all hear."""

    def subscribed(self) -> None:
        self.stream_from("feed")

    def feed(self, data: dict[str, Any]) -> None:
        """Broadcast the numbers from `begin` to `end`, each with `size` characters."""
        for number in range(data["begin"], data["end"]):
            self.broadcast_to("feed", {"number": number, "body": "x" * data["size"]})


@cable.channel
class LossyChannel(FeedChannel):
    """The same for those who would rather miss something old."""

    overflow = "drop_oldest"


@cable.channel
class SlowChannel(Channel):
    """Takes its time with every command until the gate is open."""

    def count(self, data: dict[str, Any]) -> None:
        gate.wait(60)
        self.transmit({"number": data["number"]})


def create_app() -> Flask:
    """Return the application; `FLASK_CABLE_...` in the environment sets `CABLE_...` keys."""
    app = Flask(__name__)
    app.config["SECRET_KEY"] = "limited"
    app.config.from_prefixed_env()
    app.add_url_rule("/", view_func=stats)
    app.add_url_rule("/gate", view_func=open_gate, methods=["POST"])
    cable.init_app(app)
    return app


def stats() -> ResponseReturnValue:
    """Tell what is open, and how much memory is taken."""
    return {**insight(cable), "resident": resident()}


def open_gate() -> ResponseReturnValue:
    """Let the slow actions be quick from now on."""
    gate.set()
    return "", 204
