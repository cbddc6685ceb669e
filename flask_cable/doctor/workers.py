"""Checks of what several workers need: a bus between them, and nobody who polls any of them."""

from __future__ import annotations

from ..errors import BusError, ConfigError
from ..protocols.engineio import POLLING
from ..pubsub import PubSub
from ..routes import SocketIORoute
from ..runtime import open_bus
from ..streams import RESERVED
from .facts import Facts
from .finding import Finding
from .settings import Gunicorn


def check_pubsub(facts: Facts) -> Finding:
    """Whether a broadcast reaches every worker."""
    name = "pub/sub"
    try:
        bus = open_bus(facts.app.extensions["cable"].cable, facts.config)
    except ConfigError as error:
        return Finding("fail", name, "no adapter", str(error))
    if bus.is_shared:
        return _ask(name, bus)
    if facts.gunicorn is None:
        return Finding("info", name, "memory:// reaches one process only", "serve with one worker: -w 1")
    if facts.gunicorn.workers == 1:
        return Finding("ok", name, "memory://, and one worker")
    seen = f"memory:// with {facts.gunicorn.workers} workers: a broadcast reaches the peers of one only"
    remedy = "run one worker (-w 1 under gevent carries thousands), or set a CABLE_URL that all of them share"
    return Finding("fail", name, seen, remedy)


def _ask(name: str, bus: PubSub) -> Finding:
    """Whether the server between the workers answers."""
    try:
        bus.publish(f"{RESERVED}doctor", "")
    except BusError as error:
        remedy = "start it, or correct CABLE_URL; until it answers, handshakes get 503 and broadcasts fail"
        return Finding("warn", name, str(error), remedy)
    finally:
        bus.stop()
    return Finding("ok", name, f"{bus.name} answers")


def check_long_polling(facts: Facts) -> Finding:
    """Whether the requests of a Socket.IO client that polls reach the worker that knows it."""
    name, server = "long polling", facts.gunicorn or Gunicorn()
    routes = [one for one in facts.app.extensions["cable"].cable.routes if isinstance(one, SocketIORoute)]
    polled = ", ".join(one.io.path for one in routes if POLLING in one.io.settings.transports)
    if not polled:
        return Finding("ok", name, "nobody polls")
    if server.workers == 1:
        return Finding("ok", name, f"{polled}: one worker, which knows all who poll")
    seen = f"{polled}: {server.workers} workers, and a request of a client that polls may reach any of them"
    remedy = (
        "give transports=['websocket'] to server and client, or let a proxy be sticky to one-worker servers"
    )
    return Finding("warn", name, seen, remedy)
