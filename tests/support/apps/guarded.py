"""The application that is told everything wrong. It counts what of its own code a peer has reached.

Several applications in one process, one cable: `/` has the defaults, `/few` takes two connections,
`/proxied` believes a proxy, `/open` lets other origins in.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

from flask import Flask
from flask.typing import ResponseReturnValue
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix

from flask_cable import Cable, Channel, before_subscribe, periodically
from support.apps.insight import insight

cable = Cable()
reached: Counter[str] = Counter()


@cable.channel
class GuardedChannel(Channel):
    """One action, and much that is none."""

    def subscribed(self) -> None:
        reached["subscribed"] += 1
        self.stream_from("guarded")

    def unsubscribed(self) -> None:
        reached["unsubscribed"] += 1

    def echo(self, data: dict[str, Any]) -> None:
        self.transmit({"echo": data["value"]})

    def fail(self) -> None:
        raise RuntimeError("failed on purpose")

    def _private(self) -> None:
        reached["_private"] += 1

    @property
    def secret(self) -> Callable[[], None]:
        reached["secret"] += 1
        return lambda: None

    @staticmethod
    def shared() -> None:
        reached["shared"] += 1

    @classmethod
    def common(cls) -> None:
        reached["common"] += 1

    @before_subscribe
    def check(self) -> None:
        reached["check"] += 1

    @periodically(every=3600)
    def tick(self) -> None:
        reached["tick"] += 1


class UnregisteredChannel(Channel):
    """Exists, but nobody said that a peer may have it."""


def create_app() -> DispatcherMiddleware:
    """Return the applications, by prefix."""
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    proxied = _app()
    proxied.wsgi_app = ProxyFix(proxied.wsgi_app, x_host=1, x_proto=1)  # type: ignore[method-assign]
    allowed = ["https://friend.example", re.compile(r"https://[a-z]+\.friends\.example")]
    others = {
        "/few": _app(CABLE_MAX_CONNECTIONS=2),
        "/proxied": proxied,
        "/open": _app(CABLE_ALLOWED_ORIGINS=allowed),
    }
    return DispatcherMiddleware(_app(), others)


def _app(**settings: Any) -> Flask:
    app = Flask(__name__)
    app.config.update(SECRET_KEY="guarded", **settings)
    app.add_url_rule("/", view_func=stats)
    cable.init_app(app)
    return app


def stats() -> ResponseReturnValue:
    """Tell what is open, and what was reached."""
    return {**insight(cable), "reached": reached}
