"""The other processes that serve the same endpoint: what is emitted reaches their sockets, and they answer.

Events of one room travel on that room's stream, so that only those hear of them who have somebody there;
all else travels on the namespace's, and questions on the endpoint's own.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from ...core.connection import Connection
from ...core.executor import Timer
from ...errors import BusError
from ...protocols.frames import Frame
from .emitter import Emitter
from .envelope import addressed, frame_of, opened, sealed
from .hall import Hall, Room, fan_out
from .target import Target

if TYPE_CHECKING:
    from .handler import SocketIOHandler
    from .sockets import Socket

logger = logging.getLogger("flask_cable")

BEAT = 10.0
"""Seconds between two signs of life of a process; one that gave none for three of them is gone."""

INTRODUCTIONS = 0.5
"""Seconds within which the others have answered to a new process's hello."""


class Cluster:
    """Speaks to the other processes, and does what they say. Everything but ``fetch`` is called at home."""

    def __init__(self, handler: SocketIOHandler) -> None:
        self._handler = handler
        self._hub = handler.hub
        self._others: dict[str, float] = {}  # node -> when it is gone
        self._questions: dict[int, Question] = {}
        self._numbers = itertools.count(1)
        self._introduced = handler.executor.event()
        self._timer: Timer | None = None
        if self._hub.bus.is_shared:
            introduce = partial(handler.at_home, self._introduce)
            if self._hub.relay(handler.path, self, introduce):
                introduce()

    # Events and orders.

    def emit(self, namespace: str, target: Target, frame: Frame) -> None:
        """Send an event to the sockets of other processes that are meant."""
        if not self._hub.bus.is_shared:
            return
        stream, fields = addressed(self._handler.path, namespace, target)
        self._hub.publish(stream, sealed({"n": self._hub.node, **fields}, frame))

    def order(self, namespace: str, target: Target, verb: str, argument: Any) -> None:
        """Let other processes do something with the sockets that are meant; see ``Socket.obey``."""
        if self._hub.bus.is_shared:
            fields = {"n": self._hub.node, "do": verb, "with": argument, **target.fields()}
            self._hub.publish(self._handler.stream(namespace), sealed(fields))

    def handle(self, room: Room, packet: str) -> None:
        """Something came for a room, or for a whole namespace."""
        fields, payload = opened(packet)
        if fields.get("n") == self._hub.node:  # our own were served when it was said
            return
        target = Target.of(fields)
        if "do" in fields:
            return room.hall.carry_out(target, str(fields["do"]), fields.get("with"))
        frame = frame_of(fields, payload)
        if target.rooms or target.without:
            return fan_out(frame, room.hall.select(target))
        with self._handler.executor.guard:
            members = list(room.members.values())
        fan_out(frame, members)

    # Who else is there.

    def _introduce(self) -> None:
        """Nothing that the others say can be missed any more: say hello, and wait who answers."""
        self._say("hello")
        executor = self._handler.executor
        executor.later(INTRODUCTIONS, self._introduced.set)
        self._timer = executor.every(BEAT, self._say, "here")

    def retire(self) -> None:
        """Say that nobody is to wait for this process any more, because it ends; may block."""
        if self._timer is None or self._hub.bus.is_lost:
            return
        self._timer.cancel()
        self._timer = None
        try:
            self._say("bye")
        except BusError as error:
            logger.warning("the other processes will wait for this one: %s", error)

    def _say(self, verb: str, **more: Any) -> None:
        self._hub.publish(self._handler.path, sealed({"n": self._hub.node, "do": verb, **more}))

    def handle_broadcast(self, body: bytes, skipped: int) -> None:
        """Nothing of ours: the endpoint's own stream is for packets."""

    def handle_packet(self, packet: str) -> None:
        """Something came on the endpoint's own stream."""
        fields, _ = opened(packet)
        node = fields.get("n")
        if node == self._hub.node or not isinstance(node, str):
            return
        verb = fields.get("do")
        if verb == "bye":
            return self._gone(node)
        self._others[node] = self._handler.executor.monotonic() + 3 * BEAT
        if verb == "hello":
            self._living()
            self._say("here")
        elif verb == "fetch":
            self._answer(fields)
        elif verb == "answer" and fields.get("for") == self._hub.node:
            self._answered(node, fields)

    def hearers(self) -> tuple[Connection, ...]:
        """Nobody misses anything by it."""
        return ()

    def _living(self) -> set[str]:
        now = self._handler.executor.monotonic()
        self._others = {node: end for node, end in self._others.items() if end > now}
        return set(self._others)

    # Questions.

    def fetch(self, hall: Hall, target: Target, timeout: float) -> list[RemoteSocket]:
        """Who is meant, here and in all other processes; blocks until these have answered, or for so long.

        A process that does not answer in time is not waited for again until it is heard of.
        """
        found = [described(socket) for socket in hall.select(target)]
        if self._hub.bus.is_shared:
            found += self._ask(hall.name, target, timeout)
        find = partial(self._handler.hall, hall.name)
        return [RemoteSocket(find, fields) for fields in found]

    def _ask(self, namespace: str, target: Target, timeout: float) -> list[dict[str, Any]]:
        self._introduced.wait(timeout)
        number = next(self._numbers)
        with self._handler.executor.guard:
            question = self._questions[number] = Question(self._living(), self._handler.executor.event())
        if question.missing:
            fields = {"id": number, "ns": namespace, **target.fields()}
            self._handler.at_home(partial(self._say, "fetch", **fields))
            question.done.wait(timeout)
        with self._handler.executor.guard:
            del self._questions[number]
            for node in question.missing:
                self._others.pop(node, None)
        if question.missing:
            logger.warning("%d processes did not say who is with them in time", len(question.missing))
        return question.found

    def _answer(self, fields: Mapping[str, Any]) -> None:
        hall = self._handler.hall(str(fields.get("ns")))
        sockets = [self._told(socket) for socket in hall.select(Target.of(fields))]
        self._say("answer", **{"for": fields["n"], "id": fields.get("id"), "sockets": sockets})

    def _told(self, socket: Socket) -> dict[str, Any]:
        """What others are told of a socket: its data only where that has a JSON form."""
        fields = described(socket)
        try:
            fields["data"] = self._handler.protocol.plain(fields["data"])
        except (TypeError, ValueError):
            fields["data"] = {}
        return fields

    def _answered(self, node: str, fields: Mapping[str, Any]) -> None:
        with self._handler.executor.guard:
            question = self._questions.get(fields.get("id", 0))
            if question is not None:
                question.answered(node, fields.get("sockets", ()))

    def _gone(self, node: str) -> None:
        """A process has ended, and with it all its sockets."""
        with self._handler.executor.guard:
            self._others.pop(node, None)
            for question in self._questions.values():
                question.answered(node, ())


class Question:
    """What was asked of all processes, and who has not answered yet."""

    __slots__ = ("done", "found", "missing")

    def __init__(self, missing: set[str], done: Any) -> None:
        self.missing = missing
        self.done = done
        self.found: list[dict[str, Any]] = []

    def answered(self, node: str, sockets: Iterable[dict[str, Any]]) -> None:
        """A process has said who is with it; only its first answer counts."""
        if node in self.missing:
            self.missing.discard(node)
            self.found += sockets
            if not self.missing:
                self.done.set()


def described(socket: Socket) -> dict[str, Any]:
    """What ``fetch_sockets`` tells of a socket."""
    return {"id": socket.id, "rooms": sorted(socket.rooms), "data": socket.data}


class RemoteSocket:
    """A socket of any process, as it was when it was fetched.

    Attributes:
        id: its id.
        rooms: the rooms that it was in.
        data: a copy of its data, where that is JSON; the original if it is of this process.
    """

    def __init__(self, find: Any, fields: Mapping[str, Any]) -> None:
        self.id: str = fields["id"]
        self.rooms = frozenset(fields["rooms"])
        self.data: dict[str, Any] = fields["data"]
        self._emitter = Emitter(find).to(self.id)

    def __repr__(self) -> str:
        return f"<RemoteSocket {self.id}>"

    def emit(self, event: str, *args: Any) -> None:
        """Emit an event to it. Raises as ``Emitter.emit`` does."""
        self._emitter.emit(event, *args)

    def join(self, *rooms: Any) -> None:
        """Let it join these rooms."""
        self._emitter.sockets_join(*rooms)

    def leave(self, *rooms: Any) -> None:
        """Let it leave these rooms."""
        self._emitter.sockets_leave(*rooms)

    def disconnect(self, close: bool = False) -> None:
        """Disconnect it; with ``close`` its connection, too."""
        self._emitter.disconnect_sockets(close)
