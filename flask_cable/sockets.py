"""WebSockets that something else opened: flask-sock's, simple-websocket's and gevent-websocket's objects."""

from __future__ import annotations

from functools import partial
from typing import Any

from flask import request, session

from .admission import Resources
from .core.connection import Connection
from .errors import ConfigError
from .routes import Route
from .runtime import CableState, Mounted, Runtime
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
    mounted = runtime.mount(state.cable.channels_route)
    connection, begin = _admit(runtime, mounted, state.cable.channels_route)
    try:
        carry(ws, connection, begin, (runtime.executor, mounted.codecs, mounted.limits))
    except BaseException:
        runtime.registry.remove(connection)
        raise
    return ""


def _admit(runtime: Runtime, mounted: Mounted, route: Route) -> tuple[Connection, Begin]:
    refusal = runtime.admission.refusal(request, opened=True)
    if refusal is not None:
        return runtime.admission.turned_away(mounted, refusal)
    connection = runtime.admission.make_connection(mounted.handler, request, session)
    if route.admit(connection, request) is not None:
        connection.is_rejected = True
    return connection, partial(runtime.admission.begin, connection)


def _carry_simple(ws: Any, connection: Connection, begin: Begin, resources: Resources) -> None:
    executor, _, limits = resources
    transport = SimpleWebSocketTransport(connection, ws, executor, limits)
    connection.attach(transport)
    transport.run(begin)


def _carry_gevent(ws: Any, connection: Connection, begin: Begin, resources: Resources) -> None:
    open_native(ws.handler.socket, connection, b"", begin, resources)
