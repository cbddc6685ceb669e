"""What is called for which event: of a namespace, or of one socket that has handlers of its own."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from ...errors import ConfigError
from ...protocols.socketio import RESERVED

if TYPE_CHECKING:
    from .sockets import Socket

ANY = "*"
CONNECT, DISCONNECTING, DISCONNECT = "connect", "disconnecting", "disconnect"
SERVER_MESSAGE = "server_message"
MOMENTS = {
    "connect": CONNECT,
    "connection": CONNECT,
    "disconnecting": DISCONNECTING,
    "disconnect": DISCONNECT,
    "server_message": SERVER_MESSAGE,
}
"""What the server tells a handler, and clients cannot: by what names it is registered."""


class Moment(NamedTuple):
    """Called for what no client says: with the socket and, where it takes two, with something else."""

    function: Callable[..., Any]
    takes_two: bool

    def __call__(self, socket: Socket, second: Callable[[], Any]) -> Any:
        return self.function(socket, second()) if self.takes_two else self.function(socket)


class Ack:
    """Acknowledges one event, once: ``ack("taken", 7)``."""

    __slots__ = ("_answer",)

    def __init__(self, answer: Callable[[tuple[Any, ...]], object] | None) -> None:
        self._answer = answer

    def __call__(self, *values: Any) -> None:
        """Answer; nothing happens the second time, or when the client wants no answer."""
        answer, self._answer = self._answer, None
        if answer is not None:
            answer(values)

    @property
    def wanted(self) -> bool:
        """Whether the client waits for an answer."""
        return self._answer is not None


UNASKED = Ack(None)
"""Where the client wants no answer."""


class Handlers:
    """Handlers by event; the last one that is given holds."""

    __slots__ = ("_events", "_moments")

    def __init__(self) -> None:
        self._events: dict[Any, Callable[..., Any]] = {}
        self._moments: dict[str, Moment] = {}

    def __bool__(self) -> bool:
        return bool(self._events or self._moments)

    def add(self, event: Any, function: Any) -> None:
        """Call ``function`` for an event, or for one of the ``MOMENTS``. Raises ``ConfigError``."""
        if not callable(function):
            raise ConfigError(f"the handler of {event!r} has to be callable, not a {type(function).__name__}")
        if event in MOMENTS:
            self._moments[MOMENTS[event]] = Moment(function, _takes_two(function))
        elif event in RESERVED:
            raise ConfigError(f"{event!r} is an event that clients keep for themselves")
        else:
            self._events[event] = _acknowledging(function)

    def of(self, event: Any) -> Callable[..., Any] | None:
        """What handles an event, called as ``f(socket, *args, ack=ack)``."""
        found = self._events.get(event)
        if found is None and (catch_all := self._events.get(ANY)) is not None:
            return lambda socket, *args, ack: catch_all(socket, event, *args, ack=ack)
        return found

    def of_moment(self, moment: str) -> Moment | None:
        """What is called at one of the ``MOMENTS``."""
        return self._moments.get(moment)


def _acknowledging(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function``, whose own ``ack`` answers, or else what it returns: a tuple is several values."""
    if "ack" in _parameters(function):
        return function

    def call(socket: Socket, *args: Any, ack: Ack) -> None:
        result = function(socket, *args)
        if ack.wanted:
            ack(*(result if isinstance(result, tuple) else () if result is None else (result,)))

    return call


def _takes_two(function: Callable[..., Any]) -> bool:
    kinds = [one.kind for one in _parameters(function).values()]
    named = kinds.count(inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return named > 1 or inspect.Parameter.VAR_POSITIONAL in kinds


def _parameters(function: Callable[..., Any]) -> Any:
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):  # a builtin that says nothing of itself
        return {}
