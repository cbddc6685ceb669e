"""Emitter: to whom, step by step, and then what: ``io.to("lobby").except_("bots").emit("joined", 7)``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from ...streams import stream_key
from .target import Target

if TYPE_CHECKING:
    from .cluster import RemoteSocket

FETCH_TIMEOUT = 5.0
"""Seconds that other processes get to say who is with them; the same as of the Node server's adapters."""


class Audience(Protocol):
    """A namespace, as far as an emitter knows it."""

    def emit(self, target: Target, values: Sequence[Any], is_volatile: bool) -> None: ...

    def order(self, target: Target, verb: str, argument: Any) -> None: ...

    def fetch(self, target: Target, timeout: float) -> list[RemoteSocket]: ...


class Emitter:
    """Some sockets of one namespace, wherever they are. Each step makes a new one.

    Args:
        find: finds the namespace in the process that it is called in.
    """

    __slots__ = ("_find", "_is_volatile", "_target")

    def __init__(
        self, find: Callable[[], Audience], target: Target | None = None, is_volatile: bool = False
    ) -> None:
        self._find = find
        self._target = target or Target()
        self._is_volatile = is_volatile

    # To whom.

    def to(self, *rooms: Any) -> Emitter:
        """Those in any of these rooms, and in those that were named before.

        A room is a name, an object that ``stream_key`` names, or the id of a socket.
        """
        names = self._target.rooms + tuple(stream_key(room) for room in rooms)
        return Emitter(self._find, self._target._replace(rooms=names), self._is_volatile)

    in_ = to

    def except_(self, *rooms: Any) -> Emitter:
        """But not those in any of these rooms."""
        names = self._target.without + tuple(stream_key(room) for room in rooms)
        return Emitter(self._find, self._target._replace(without=names), self._is_volatile)

    @property
    def volatile(self) -> Emitter:
        """Those who can keep up: what is emitted is dropped for a peer that has not read what came before."""
        return Emitter(self._find, self._target, True)

    # What.

    def emit(self, event: str, *args: Any) -> None:
        """Emit an event to all of them.

        Raises:
            EncodeError: a value has no JSON form; nothing was sent.
            ValueError: the event's name is reserved.
        """
        self._find().emit(self._target, (event, *args), self._is_volatile)

    def send(self, *args: Any) -> None:
        """Emit ``message``."""
        self.emit("message", *args)

    # And more.

    def sockets_join(self, *rooms: Any) -> None:
        """Let all of them join these rooms."""
        self._order("join", [stream_key(room) for room in rooms])

    def sockets_leave(self, *rooms: Any) -> None:
        """Let all of them leave these rooms."""
        self._order("leave", [stream_key(room) for room in rooms])

    def disconnect_sockets(self, close: bool = False) -> None:
        """Disconnect all of them; with ``close`` from every namespace, with their connections."""
        self._order("disconnect", close)

    def _order(self, verb: str, argument: Any) -> None:
        self._find().order(self._target, verb, argument)

    def fetch_sockets(self, timeout: float = FETCH_TIMEOUT) -> list[RemoteSocket]:
        """Who they are. Waits until every process has answered, and at most ``timeout`` seconds."""
        return self._find().fetch(self._target, timeout)
