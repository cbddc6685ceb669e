"""WebSockets that something else opened: flask-sock's, simple-websocket's and gevent-websocket's objects."""

from __future__ import annotations

from functools import partial
from typing import Any

from flask import request, session

from .errors import ConfigError
from .runtime import CableState, Runtime
from .transports import open_native
from .transports.simple_websocket import SimpleWebSocketTransport


def serve(state: CableState, ws: Any) -> str:
    """Run the cable over ``ws`` within the request that opened it; see ``Cable.serve``.

    Raises:
        ConfigError: ``ws`` is none of the objects that are known.
    """
    if hasattr(ws, "sock") and hasattr(ws, "receive"):
        _serve_simple(state.runtime(ws.sock), ws)
    elif hasattr(ws, "handler") and hasattr(ws, "stream"):
        _serve_gevent(state.runtime(ws.handler.socket), ws)
    else:
        kind = type(ws).__name__
        raise ConfigError(f"cable.serve takes a simple-websocket or gevent-websocket object, not {kind}")
    return ""


def _serve_simple(runtime: Runtime, ws: Any) -> None:
    connection = runtime.make_connection(request, session)
    identified = runtime.identify(connection)
    transport = SimpleWebSocketTransport(connection, ws, runtime.executor, runtime.limits)
    connection.attach(transport)
    transport.run(partial(runtime.begin, connection, identified))


def _serve_gevent(runtime: Runtime, ws: Any) -> None:
    connection = runtime.make_connection(request, session)
    begin = partial(runtime.begin, connection, runtime.identify(connection))
    resources = (runtime.executor, runtime.codecs, runtime.limits)
    _, stand_in = open_native(ws.handler.socket, connection, b"", begin, resources)
    if stand_in is not None:
        stand_in.close()
