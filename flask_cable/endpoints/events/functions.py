"""A plain function for each connection, as flask-sock's users write it: it receives, sends and returns.

It has a worker of its own. Its messages wait in a mailbox, and while that is full the peer is not read. What
it sends waits for a peer that reads slowly, and the function with it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from ...core.connection import Connection
from ...core.executor import Event, Executor
from ...core.handler import Scope
from ...errors import ConnectionClosed
from .handler import EventsHandler

IsCurrent = Callable[[Any], bool]

_served: ContextVar[Connection | None] = ContextVar("flask_cable.served", default=None)
"""Whose function the caller is, or was started by."""


class FunctionHandler(EventsHandler):
    """Runs ``events.function`` for each connection; a connection's ``state`` is its ``Mailbox``.

    Attributes:
        max_functions: how many may run in this process; past it a connection is closed with 1013.
        is_current: whether a context of ``scope`` is the one that the caller is in, so that it may be left.
    """

    waits_to_send = True

    def __init__(
        self,
        *args: Any,
        max_functions: int = 1000,
        is_current: IsCurrent = lambda context: True,
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        self.max_functions = max_functions
        self.is_current = is_current

    def opened(self, connection: Connection) -> None:
        breath = Breath(self.scope, self.is_current)
        connection.state = Mailbox(self.executor, self.inbox_limit, self.inbox_bytes, breath)
        try:
            super().opened(connection)
        except Exception as error:
            if not connection.rescue(error):
                raise
        if not connection.closed:
            self._start(connection)

    def _start(self, connection: Connection) -> None:
        if self.executor.spawned >= self.max_functions:
            connection.logger.warning("no worker is free: CABLE_MAX_FUNCTIONS = %d", self.max_functions)
            connection.close(1013, "too many connections are being served")
        else:
            self.executor.spawn(self._serve, connection)

    def _serve(self, connection: Connection) -> None:
        _served.set(connection)
        try:
            with connection.state.breath:
                self._call(connection)
        except GeneratorExit:  # the executor has been stopped
            return
        except BaseException as error:
            self.failed(connection, error)
        else:
            connection.close()

    def _call(self, connection: Connection) -> None:
        function: Any = self.events.function
        request = connection.request
        try:
            function(connection, **(request.view_args if request is not None else {}))
        except ConnectionClosed:  # it waited for a peer that is gone
            return
        except Exception as error:
            if not connection.rescue(error):
                raise

    def handle_message(self, connection: Connection, message: Any, size: int) -> None:
        with self.executor.guard:  # or a pause could overtake the resume that comes after it
            if connection.state.put(message, size):
                self.executor.call_home(connection.transport.pause)

    # What it sends waits for a peer that is behind. Nobody else's waits: that is queued, within bounds.

    def before_send(self, connection: Connection) -> None:
        if connection.transport.backlog and _served.get() is connection:
            sent: Event = connection.state.sent
            while _is_behind(connection):
                sent.clear()
                if _is_behind(connection):  # and was not just now told that it is no more
                    sent.wait()

    def written(self, connection: Connection) -> None:
        if connection.state is not None:
            connection.state.sent.set()

    def closed(self, connection: Connection, code: int, reason: str) -> None:
        if connection.state is not None:
            connection.state.end(code, reason)
        super().closed(connection, code, reason)

    def receive(self, connection: Connection, timeout: float | None) -> Any:
        mailbox: Mailbox | None = connection.state
        if mailbox is None or not self.executor.can_wait():
            raise RuntimeError("only the function that serves a connection waits for its messages")
        with mailbox.breath.taken():
            if not mailbox.wait(timeout):
                return None
        if connection.deaf:  # it has been told to go: nothing that it said is read any more
            mailbox.drop()
            mailbox.wait(None)
        with self.executor.guard:
            message = mailbox.take()
            if mailbox.has_emptied():
                self.executor.call_home(connection.transport.resume)
        return message


def _is_behind(connection: Connection) -> bool:
    return connection.transport.backlog > 0 and not connection.closed


class Mailbox:
    """Messages that wait for a function.

    Args:
        limit: how many may wait until the peer is not read any more.
        bytes_limit: and how long all of them may be.

    Attributes:
        breath: the scope in which the function runs.
        sent: set when nothing that was sent waits any more, and at the end.
    """

    __slots__ = (
        "_bytes",
        "_bytes_limit",
        "_end",
        "_event",
        "_executor",
        "_is_full",
        "_limit",
        "_messages",
        "breath",
        "sent",
    )

    def __init__(self, executor: Executor, limit: int, bytes_limit: int, breath: Breath) -> None:
        self._executor = executor
        self._event: Event = executor.event()
        self._limit = limit
        self._bytes_limit = bytes_limit
        self._bytes = 0
        self._messages: deque[tuple[Any, int]] = deque()
        self._is_full = False
        self._end: tuple[int, str] | None = None
        self.breath = breath
        self.sent: Event = executor.event()

    def put(self, message: Any, size: int) -> bool:
        """Add a message that is so long; True when there should be no more for now."""
        self._messages.append((message, size))
        self._bytes += size
        is_full = len(self._messages) >= self._limit or self._bytes >= self._bytes_limit
        self._is_full = self._is_full or is_full
        self._event.set()
        return self._is_full

    def end(self, code: int, reason: str) -> None:
        """There will be no more."""
        self._end = (code, reason)
        self._event.set()
        self.sent.set()

    def drop(self) -> None:
        """Forget what waits."""
        self._messages.clear()
        self._bytes = 0

    def wait(self, timeout: float | None) -> bool:
        """Wait until there is a message, or the end; False when neither came in time."""
        until = None if timeout is None else self._executor.monotonic() + timeout
        while not (self._messages or self._end):
            self._event.clear()
            if self._messages or self._end:  # it came in between
                break
            left = None if until is None else until - self._executor.monotonic()
            if left is not None and left <= 0:
                return False
            self._event.wait(left)
        return True

    def take(self) -> Any:
        """The first message. Raises ``ConnectionClosed`` when there are none, and none will come."""
        if not self._messages and self._end is not None:
            raise ConnectionClosed(*self._end)
        message, size = self._messages.popleft()
        self._bytes -= size
        return message

    def has_emptied(self) -> bool:
        """Whether a full mailbox has been half emptied; said once."""
        is_half = len(self._messages) <= self._limit // 2 and self._bytes <= self._bytes_limit // 2
        if self._is_full and is_half:
            self._is_full = False
            return True
        return False


class Breath:
    """A scope that is left while its function waits, and made afresh when it goes on.

    So nothing of an application is pending while a connection idles: no context, no database connection.
    """

    __slots__ = ("_context", "_is_current", "_scope")

    def __init__(self, scope: Scope, is_current: IsCurrent) -> None:
        self._scope = scope
        self._is_current = is_current
        self._context: Any = None

    def __enter__(self) -> None:
        self._context = self._scope()
        self._context.__enter__()

    def __exit__(self, *error: Any) -> Any:
        return self._context.__exit__(*error)

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Leave the scope for a while, unless the caller has entered another one inside it."""
        if not self._is_current(self._context):
            yield
            return
        try:
            self._context.__exit__(None, None, None)
            yield
        finally:
            self.__enter__()
