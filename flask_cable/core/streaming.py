"""The streams that a connection hears as a whole, whatever its style: each once, and none after its end.

``Connection.stream_from`` calls it. A style says in ``Handler.encode_broadcast`` what its peers are sent; one
whose peers subscribe to many things at once, as channels do, asks the hub by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..errors import BusError, TooMany
from ..streams import Coder, JsonCoder
from .hub import Listener

if TYPE_CHECKING:
    from .connection import Connection

Callback = Callable[[Any], Any]
Live = Callable[[], object]


class Streams:
    """What one connection hears; its methods may be called from any thread."""

    __slots__ = ("_connection", "_heard")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._heard: dict[str, Listener | None] = {}  # None: sent to the peer as it comes

    @property
    def names(self) -> tuple[str, ...]:
        """The streams that are heard."""
        return tuple(self._heard)

    def start(self, name: str, callback: Callback | None, coder: Coder | None) -> None:
        """Hear a stream, and return once nothing of it can be missed any more.

        Where the caller cannot wait, in the executor's own loop and on threads that it does not know, this
        returns at once.

        Raises:
            TooMany: one stream more than ``handler.stream_limits`` allows.
            BusError: the pub/sub adapter did not confirm in time; the stream is not heard.
        """
        executor = self._connection.handler.executor
        if not executor.can_wait():
            return self._at_home(self.join, name, callback, coder, _nobody_waits)
        live = executor.event()
        if not self.join(name, callback, coder, live.set):
            patience = self._connection.handler.stream_limits.live_within
            if not live.wait(patience):
                self.stop(name)
                raise BusError(f"{name!r}: the pub/sub adapter did not confirm it within {patience} s")

    def _at_home(self, function: Callable[..., object], *args: Any) -> None:
        executor = self._connection.handler.executor
        if executor.is_home():
            function(*args)
        else:
            executor.call_home(function, *args)

    def join(self, name: str, callback: Callback | None, coder: Coder | None, on_live: Live) -> bool:
        """Hear a stream without waiting: True when it is live, else ``on_live`` is called when it is."""
        handler = self._connection.handler
        with handler.executor.guard:
            if self._connection.closed:  # whoever ends the streams comes after that
                return True
            if name not in self._heard and len(self._heard) >= handler.stream_limits.maximum:
                raise TooMany(f"CABLE_MAX_STREAMS: {len(self._heard)} are open in {self._connection!r}")
            before = self._heard.copy()
            listener = self._heard[name] = self._listener(name, callback, coder)
            try:
                is_live = self._enter(name, listener, on_live)
            except BaseException:
                self._heard = before
                raise
            if before.get(name, listener) is not listener:  # it goes last, so that the stream stays open
                self._leave(name, before[name])
            return is_live

    def _enter(self, name: str, listener: Listener | None, on_live: Live) -> bool:
        connection, handler = self._connection, self._connection.handler
        if listener is None:
            return handler.hub.join(name, connection, handler.encode_broadcast, None, on_live)
        return handler.hub.listen(name, listener, on_live, connection)

    def _leave(self, name: str, listener: Listener | None) -> None:
        connection, handler = self._connection, self._connection.handler
        if listener is None:
            handler.hub.leave(name, connection, handler.encode_broadcast, None)
        else:
            handler.hub.unlisten(name, listener)

    def _listener(self, name: str, callback: Callback | None, coder: Coder | None) -> Listener | None:
        if callback is None and (coder is None or isinstance(coder, JsonCoder)):
            return None

        def hear(text: str) -> None:
            self._connection.post(run, text)

        def run(text: str) -> None:
            if self._heard.get(name) is hear:  # it may have been stopped meanwhile
                (callback or self._connection.send)(coder.decode(text) if coder else text)

        return hear

    def stop(self, name: str) -> bool:
        """Hear no more of a stream; False when it was not heard."""
        with self._connection.handler.executor.guard:
            if name not in self._heard:
                return False
            self._leave(name, self._heard.pop(name))
            return True

    def stop_all(self) -> None:
        """Hear no more of anything."""
        for name in self.names:
            self.stop(name)


def _nobody_waits() -> None:
    """The stream is live."""
