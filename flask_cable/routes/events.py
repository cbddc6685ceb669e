"""A raw endpoint: what ``cable.websocket(...)`` returns, and its place among the application's URLs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from flask import Request
from flask.globals import app_ctx
from flask.typing import ResponseReturnValue

from ..core.connection import Connection
from ..endpoints.events import Events, EventsHandler, FunctionHandler
from ..errors import ConfigError
from ..protocols.opening import Refusal
from ..protocols.serializers import Codec, make_codec
from .base import Route, checked_timeout

if TYPE_CHECKING:
    from ..runtime import Runtime

logger = logging.getLogger("flask_cable")

Function = TypeVar("Function", bound=Callable[..., Any])


class EventsRoute(Route):
    """A WebSocket whose messages are yours: register handlers with ``on``, or decorate one function.

    Args:
        serializer: a name, or an object with ``encode`` and ``decode``; None leaves text and bytes alone.
        subprotocols: what is spoken, the most wanted first.
        idle_timeout: seconds without a message until a peer is closed; CABLE_IDLE_TIMEOUT when None.
        runtime: this process's runtime, for ``connections``.
    """

    def __init__(
        self,
        rule: str,
        endpoint: str,
        *,
        runtime: Callable[[], Runtime],
        serializer: Any = None,
        subprotocols: Sequence[str] = (),
        idle_timeout: float | None = None,
        **options: Any,
    ) -> None:
        super().__init__(rule, endpoint, **options)
        if isinstance(subprotocols, str):
            raise ConfigError(f"subprotocols is a list of names: [{subprotocols!r}]")
        self.serializer = serializer
        self.subprotocols = tuple(subprotocols)
        self.idle_timeout = checked_timeout(idle_timeout)
        self._runtime = runtime
        self._events = Events()

    # What applications write.

    def on(self, event: str, handler: Callable[..., Any] | None = None) -> Any:
        """Register the handler of an event, as ``@ws.on("open")`` or by a call; the last one counts.

        - ``open(connection, environ)``: the peer is there; the WSGI environ of its handshake
        - ``message(connection, message)``: a message, decoded
        - ``malformed_message(connection, raw, error)``: one that cannot be decoded; without a handler 1007
        - ``server_message(connection, message)``: something was sent to a name or a group of it
        - ``close(connection, code, reason)``: the peer is gone; called once for each that was open
        - ``error(refusal)``: answers a handshake that failed, with any response; ``.status``, ``.text``

        Raises:
            ConfigError: there is no such event, or the handler cannot be called so.
        """
        if handler is None:
            return lambda handler: self.on(event, handler)
        self._events.add(event, handler)
        return handler

    def __call__(self, function: Function) -> Function:
        """Let ``function(connection, **url_arguments)`` serve each connection, on a worker of its own.

        Raises:
            ConfigError: another function does so, or there is a handler of messages.
        """
        self._events.serve_with(function)
        return function

    @property
    def connections(self) -> Mapping[int, Connection]:
        """This endpoint's open connections in this process by id: a live, read-only mapping."""
        handler: EventsHandler = self._runtime().mount(self).handler  # type: ignore[assignment]
        return handler.connections

    # What the runtime asks.

    def make_handler(self, runtime: Runtime) -> EventsHandler:
        codec = self._make_codec(runtime)
        idle_timeout = self.idle_timeout or runtime.config.idle_timeout
        options = {"watches": runtime.watches(idle_timeout), **runtime.resources()}
        if self._events.function is None:
            return EventsHandler(self._events, codec, **options)
        options["max_functions"] = runtime.config.max_functions
        return FunctionHandler(self._events, codec, is_current=_is_current, **options)

    def _make_codec(self, runtime: Runtime) -> Codec:
        serializer, name = self.serializer, repr(self.serializer)
        if isinstance(serializer, str):
            serializer = runtime.cable.serializers.get(serializer, serializer)
        return make_codec(serializer, name, runtime.json, getattr(runtime.app.json, "default", None))

    def refusal(self, runtime: Runtime) -> Refusal | None:
        is_full = runtime.executor.spawned >= runtime.config.max_functions
        if self._events.function is None or not is_full:
            return None
        logger.warning("refused a WebSocket: CABLE_MAX_FUNCTIONS = %d", runtime.config.max_functions)
        return Refusal(503, "Too many connections are being served; come back later.")

    def subprotocol(self, offered: Iterable[str]) -> str | None:
        spoken = set(offered)
        return next((name for name in self.subprotocols if name in spoken), None)

    def refused(self, refusal: Refusal, request: Request) -> ResponseReturnValue:
        handle = self._events.get("error")
        answer: ResponseReturnValue | None = handle(refusal) if handle is not None else None
        return super().refused(refusal, request) if answer is None else answer


def _is_current(context: Any) -> bool:
    """Whether an application context is the innermost one, so that it may be popped."""
    return bool(app_ctx) and app_ctx._get_current_object() is context  # type: ignore[attr-defined]
