"""Socket: one peer in one namespace, as the application's handlers see it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from ...core.connection import Connection
from ...core.executor import Timer
from ...errors import AckTimeout, TooMany
from ...protocols.frames import VOLATILE, Frame
from ...streams import stream_key
from .emitter import Emitter
from .hall import NOWHERE, Hall, Held, Nowhere
from .handlers import Handlers, Moment
from .target import Target

if TYPE_CHECKING:
    from .namespace import Namespace

CURRENT: ContextVar[Connection | None] = ContextVar("flask_cable_socketio", default=None)
"""Whose time line the running code is on; an answer to its own question would come behind it."""

CALL_TIMEOUT = 60.0
"""Seconds that ``call`` waits; the same as Flask-SocketIO's."""

SERVER_LEFT = "server namespace disconnect"
FORCED = "forced server close"


class Question(NamedTuple):
    """An event that the peer is to acknowledge."""

    answered: Callable[..., object]
    unanswered: Callable[[], object] | None
    timer: Timer | None


class Socket:
    """One peer in one namespace.

    Attributes:
        id: names it in the whole cluster, and a room that only it is in.
        connection: the connection below, which the peer's sockets in other namespaces share. Its
            identifiers are attributes of the socket, too.
        definition: the ``Namespace`` whose handlers it has.
        auth: what the client gave as ``auth``.
        recovered: whether it was here before and has missed nothing (see ``recovery_seconds``).
    """

    __slots__ = (
        "__weakref__",
        "_asked",
        "_data",
        "_handlers",
        "_questions",
        "auth",
        "connection",
        "definition",
        "hall",
        "id",
        "joined",
        "outlet",
        "pid",
        "recovered",
    )

    def __init__(
        self, id: str, connection: Connection, hall: Hall, definition: Namespace, auth: dict[str, Any]
    ) -> None:
        self.id = id
        self.connection = connection
        self.hall = hall
        self.definition = definition
        self.auth = auth
        self.recovered = False
        self.pid: str | None = None
        self.joined: set[str] = set()
        self.outlet: Connection | Held | Nowhere = Held(connection)
        self._data: dict[str, Any] | None = None
        self._handlers: Handlers | None = None
        self._questions: dict[int, Question] | None = None
        self._asked = 0

    def __repr__(self) -> str:
        return f"<Socket {self.id} in {self.hall.name} of {self.connection!r}>"

    def __getattr__(self, name: str) -> Any:
        """The connection's identifiers."""
        connection = object.__getattribute__(self, "connection")
        if name in connection.identified_by:
            return getattr(connection, name)
        raise AttributeError(f"{type(self).__name__!r} has no attribute {name!r}")

    # Who it is.

    @property
    def sid(self) -> str:
        """Its ``id``, as others call it."""
        return self.id

    @property
    def namespace(self) -> str:
        """The name of the namespace that it is in."""
        return self.hall.name

    @property
    def connected(self) -> bool:
        """Whether it may be spoken to: from the connect handler on, until it leaves."""
        return self.outlet is not NOWHERE

    @property
    def request(self) -> Any:
        """The request that opened the connection: headers, cookies, args. None without one."""
        return self.connection.request

    @property
    def session(self) -> Any:
        """The Flask session as that request had it; read-only."""
        return self.connection.session

    def request_context(self) -> AbstractContextManager[Any]:
        """A request context like that request's, for code that needs ``flask.request``."""
        return self.connection.request_context()

    @property
    def logger(self) -> logging.LoggerAdapter[logging.Logger]:
        """Log lines that say which connection they are about."""
        return self.connection.logger

    @property
    def data(self) -> dict[str, Any]:
        """This socket's own dict; it is kept for a socket that may be recovered, where it is JSON."""
        if self._data is None:
            self._data = {}
        return self._data

    @data.setter
    def data(self, value: dict[str, Any]) -> None:
        self._data = value

    def set(self, key: str, value: Any) -> Socket:
        """Keep a value with this socket."""
        self.data[key] = value
        return self

    def get(self, key: str, default: Any = None) -> Any:
        """What ``set`` kept."""
        return self.data.get(key, default) if self._data is not None else default

    # What it hears.

    def on(self, event: str, function: Callable[..., Any] | None = None) -> Any:
        """Handle this socket's events of that name with ``function(socket, *args)``; also a decorator.

        It takes precedence over the namespace's handler, ``disconnect`` and ``disconnecting`` included. See
        ``Namespace.on``.
        """
        if function is None:
            return partial(self.on, event)
        if self._handlers is None:
            self._handlers = Handlers()
        self._handlers.add(event, function)
        return function

    def handler_of(self, event: Any) -> Callable[..., Any] | None:
        """What handles an event of this socket's."""
        own = self._handlers.of(event) if self._handlers is not None else None
        return own or self.definition.handlers.of(event)

    def handler_of_moment(self, moment: str) -> Moment | None:
        """What is called when this socket comes or goes."""
        own = self._handlers.of_moment(moment) if self._handlers is not None else None
        return own or self.definition.handlers.of_moment(moment)

    # Speaking to it, from any thread.

    def emit(
        self,
        event: str,
        *args: Any,
        ack: Callable[..., object] | None = None,
        timeout: float | None = None,
        unanswered: Callable[[], object] | None = None,
    ) -> bool:
        """Emit an event to this peer; False when it is gone.

        Args:
            ack: called with what the client acknowledges it with.
            timeout: seconds that it has to do so; for ever when None.
            unanswered: called when it does not, in time or before it leaves.

        Raises:
            EncodeError: a value has no JSON form.
            TooMany: more questions wait for an answer than ``max_acks``.
            ValueError: the event's name is reserved.
        """
        if not self.connected:
            return False
        if ack is None:
            return self.send_frame(self._kept(self.hall.event((event, *args))))
        id = self._ask(ack, timeout, unanswered)
        try:
            frame = self.hall.event((event, *args), id)
        except Exception:
            self.take_question(id)
            raise
        return self.send_frame(frame)

    def send(self, *args: Any, **options: Any) -> bool:
        """Emit ``message``."""
        return self.emit("message", *args, **options)

    def call(self, event: str, *args: Any, timeout: float = CALL_TIMEOUT) -> Any:
        """Emit an event, wait for the answer and return it; several values are a tuple.

        Raises:
            AckTimeout: there is none in time, or the peer left.
            RuntimeError: called in a handler of the same connection, whose messages wait for that handler.
        """
        if CURRENT.get() is self.connection:
            raise RuntimeError(
                "call() would wait for itself: this connection's answers are handled after what runs now. "
                "Use emit(..., ack=function)"
            )
        done, answers = self.hall.executor.event(), list[tuple[Any, ...]]()

        def answered(*values: Any) -> None:
            answers.append(values)
            done.set()

        if self.emit(event, *args, ack=answered, timeout=timeout, unanswered=done.set):
            done.wait(timeout)
        if not answers:
            raise AckTimeout(f"no answer to {event!r} within {timeout:g} seconds")
        return answers[0][0] if len(answers[0]) == 1 else answers[0] or None

    def _kept(self, frame: Frame) -> Frame:
        recovery = self.hall.handler.recovery
        return frame if recovery is None else recovery.log.keep(self.hall.name, Target((self.id,)), frame)

    def send_frame(self, frame: Frame) -> bool:
        """Send an encoded packet; False when the peer is gone."""
        if self.outlet is self.connection:
            return self.connection.send(frame)
        return self.outlet.transport.send(frame)

    # Questions and answers.

    def _ask(
        self,
        answered: Callable[..., object],
        timeout: float | None,
        unanswered: Callable[[], object] | None,
    ) -> int:
        executor, limit = self.hall.executor, self.hall.handler.settings.max_acks
        with executor.guard:
            questions = self._questions = self._questions if self._questions is not None else {}
            if len(questions) >= limit:
                raise TooMany(f"max_acks: {limit} events wait for an answer; give them a timeout")
            id, self._asked = self._asked, self._asked + 1
            timer = None
            if timeout is not None:
                timer = executor.later(timeout, self.connection.post, self._expire, id)
            questions[id] = Question(answered, unanswered, timer)
        return id

    def take_question(self, id: int | None) -> Question | None:
        """The question that is answered now; None for one that never was, or is no more."""
        question = self._questions.pop(id, None) if self._questions and id is not None else None
        if question is not None and question.timer is not None:
            question.timer.cancel()
        return question

    def _expire(self, id: int) -> None:
        question = self.take_question(id)
        if question is not None and question.unanswered is not None:
            self.hall.handler.run(self.connection, question.unanswered)

    def drop_questions(self) -> None:
        """The peer has left: nothing will be answered any more."""
        for id in list(self._questions or ()):
            self._expire(id)

    # Speaking to others.

    @property
    def sockets(self) -> Emitter:
        """Everybody in the namespace, this socket included."""
        return Emitter(partial(self.hall.handler.hall, self.hall.name))

    @property
    def broadcast(self) -> Emitter:
        """Everybody in the namespace but this socket."""
        return Emitter(partial(self.hall.handler.hall, self.hall.name), Target(skipped=self.id))

    def to(self, *rooms: Any) -> Emitter:
        """Everybody in these rooms but this socket."""
        return self.broadcast.to(*rooms)

    in_ = to

    def except_(self, *rooms: Any) -> Emitter:
        """Everybody but this socket and those in these rooms."""
        return self.broadcast.except_(*rooms)

    @property
    def volatile(self) -> Volatile:
        """This socket, for what may be dropped when the peer has not read what came before."""
        return Volatile(self)

    # Rooms.

    @property
    def rooms(self) -> frozenset[str]:
        """The rooms that it is in, its own among them."""
        return frozenset((self.id, *self.joined))

    def join(self, *rooms: Any) -> bool:
        """Join these rooms; False when it is in all of them already.

        When this returns, nothing is missed that is emitted to them from then on, in whatever process.

        Raises:
            TooMany: it is in ``max_rooms`` rooms.
            NotReady: it is being asked for by ``use()``, and not let in yet.
        """
        names = [stream_key(room) for room in rooms]
        joined = self._join(names)
        self.hall.await_rooms(names)
        return joined

    def _join(self, names: Iterable[str]) -> bool:
        joined = [self.hall.join(self, name) for name in names]
        return any(joined)

    def leave(self, *rooms: Any) -> bool:
        """Leave these rooms; False when it is in none of them."""
        left = [self.hall.leave(self, stream_key(room)) for room in rooms]
        return any(left)

    # The end.

    def disconnect(self, close: bool = False) -> None:
        """Disconnect from the namespace, and the client does not come back by itself.

        Args:
            close: end the connection, and with it the sockets in other namespaces.
        """
        self.hall.handler.at_home(self.hall.handler.turn_out, self, close)

    def close(self) -> None:
        """Disconnect, and end the connection."""
        self.disconnect(close=True)

    def obey(self, verb: str, argument: Any) -> None:
        """Do what an ``Emitter`` ordered, perhaps in another process; unknown orders are ignored."""
        if verb == "join":
            self._join(argument)  # nobody waits: it may have come on the adapter's own thread
        elif verb == "leave":
            self.leave(*argument)
        elif verb == "disconnect":
            self.disconnect(bool(argument))


class Volatile:
    """``socket.volatile``: emits what is dropped for a peer that is behind."""

    __slots__ = ("_socket",)

    def __init__(self, socket: Socket) -> None:
        self._socket = socket

    def emit(self, event: str, *args: Any) -> bool:
        """Emit an event to this peer; False when it was dropped. Raises as ``Socket.emit`` does."""
        frame = self._socket.hall.event((event, *args))
        frame.lane = VOLATILE
        return self._socket.send_frame(frame)

    def send(self, *args: Any) -> bool:
        """Emit ``message``."""
        return self.emit("message", *args)

    @property
    def broadcast(self) -> Emitter:
        """Everybody else in the namespace."""
        return self._socket.broadcast.volatile

    def to(self, *rooms: Any) -> Emitter:
        """Everybody else in these rooms."""
        return self.broadcast.to(*rooms)

    in_ = to
