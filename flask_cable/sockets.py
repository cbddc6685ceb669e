"""WebSockets that something else opened: flask-sock's, simple-websocket's and gevent-websocket's objects."""

from __future__ import annotations

from typing import Any

from flask import request, session

from .core.connection import Connection
from .errors import ConfigError
from .runtime import CableState, Runtime
from .transports import Begin, open_native
from .transports.simple_websocket import SimpleWebSocketTransport


def serve(state: CableState, ws: Any) -> str:
    """Run the cable over ``ws`` within the request that opened it; see ``Cable.serve``.

    Who may connect is checked as on the cable's own route; a refusal is a close frame here.

    Raises:
        ConfigError: ``ws`` is none of the objects that are known.
    """
    if hasattr(ws, "sock") and hasattr(ws, "receive"):
        runtime, carry = state.runtime(ws.sock), _carry_simple
    elif hasattr(ws, "handler") and hasattr(ws, "stream"):
        runtime, carry = state.runtime(ws.handler.socket), _carry_gevent
    else:
        kind = type(ws).__name__
        raise ConfigError(f"cable.serve takes a simple-websocket or gevent-websocket object, not {kind}")
    connection, begin = runtime.admit(request, session, runtime.refusal(request, opened=True))
    try:
        carry(runtime, ws, connection, begin)
    except BaseException:
        runtime.registry.remove(connection)
        raise
    return ""


def _carry_simple(runtime: Runtime, ws: Any, connection: Connection, begin: Begin) -> None:
    transport = SimpleWebSocketTransport(connection, ws, runtime.executor, runtime.limits)
    connection.attach(transport)
    transport.run(begin)


def _carry_gevent(runtime: Runtime, ws: Any, connection: Connection, begin: Begin) -> None:
    resources = (runtime.executor, runtime.codecs, runtime.limits)
    _, stand_in = open_native(ws.handler.socket, connection, b"", begin, resources)
    if stand_in is not None:
        stand_in.close()
