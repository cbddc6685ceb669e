"""The events of a raw endpoint, and who handles them. ``cable.websocket(...).on`` registers here."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from ...errors import ConfigError

EventHandler = Callable[..., Any]

EVENTS = {
    "open": ("connection", "environ"),
    "message": ("connection", "message"),
    "malformed_message": ("connection", "raw", "error"),
    "server_message": ("connection", "message"),
    "close": ("connection", "code", "reason"),
    "error": ("refusal",),
}
"""What may happen, and what its handler is called with."""


class Events:
    """One handler for each event, of which the last that was registered counts; or a function instead.

    Attributes:
        function: serves one connection from its begin to its end; None where handlers do.
    """

    def __init__(self) -> None:
        self._handlers: dict[str, EventHandler] = {}
        self.function: EventHandler | None = None

    def add(self, event: str, handler: EventHandler) -> None:
        """Let ``handler`` be called.

        Raises:
            ConfigError: there is no such event, or ``handler`` is nothing that can be called with what the
                event has to say.
        """
        if event not in EVENTS:
            raise ConfigError(f"there is no event {event!r}, but {', '.join(EVENTS)}")
        _check_callable(event, handler)
        self._handlers[event] = handler
        self._check_messages()

    def serve_with(self, function: EventHandler) -> None:
        """Let ``function(connection, **the URL rule's arguments)`` serve each connection.

        Raises:
            ConfigError: it cannot be called, or another one was given.
        """
        if not callable(function):
            raise ConfigError(f"a {type(function).__name__} cannot serve a connection: it is not callable")
        if self.function is not None:
            raise ConfigError(f"{self.function!r} serves this endpoint already; make another endpoint")
        _check_not_async("a function that serves connections", function)
        self.function = function
        self._check_messages()

    def _check_messages(self) -> None:
        if self.function is not None and "message" in self._handlers:
            raise ConfigError(
                "a function that serves a connection receives its messages itself: no `message`"
            )

    def get(self, event: str) -> EventHandler | None:
        """Who handles an event."""
        return self._handlers.get(event)


def _check_callable(event: str, handler: Any) -> None:
    arguments = EVENTS[event]
    if not callable(handler):
        raise ConfigError(f"the handler of {event!r} is a {type(handler).__name__}, which is not callable")
    _check_not_async(f"the handler of {event!r}", handler)
    try:
        signature = inspect.signature(handler)
    except ValueError:  # built in, and tells nobody
        return
    try:
        signature.bind(*arguments)
    except TypeError:
        wanted = f"({', '.join(arguments)})"
        raise ConfigError(
            f"the handler of {event!r} is called with {wanted}, and takes {signature}"
        ) from None


def _check_not_async(what: str, function: Any) -> None:
    """Nobody here would await it, and it would never run."""
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise ConfigError(f"{what} is `async`, and nobody awaits it: write it with `def`")
