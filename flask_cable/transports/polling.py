"""Engine.IO's long polling: what is sent waits for the peer's next GET; what the peer says comes by POST.

The route hands in the requests; who waits for one is the server's greenlet or thread, outside of all Flask
contexts. ``upgrading.py`` puts a WebSocket in its place.
"""

from __future__ import annotations

from collections.abc import Callable

from ..core.carrier import Carrier
from ..core.connection import Connection
from ..core.executor import Event, Executor, Timer
from ..core.outbox import Outbox
from ..errors import MalformedMessage
from ..protocols.engineio import (
    BAD_REQUEST,
    CLOSE,
    CLOSE_FRAME,
    NOOP_FRAME,
    Fault,
    Message,
    join_payload,
    parse,
    part_of,
    split_payload,
)
from ..protocols.frames import BINARY, VOLATILE, Burst, Frame
from .base import Limits, Transport

GENTLE = (1000, 1001, 1012, 1013)
"""Close codes of an end that the peer may hear of with its next GET; else it has done wrong, or is silent."""

PACKETS = 10_000
"""Packets of one POST; the stock client joins all that it has to say, up to ``maxPayload`` bytes."""


class Poll:
    """One GET, which waits until there is something to say.

    Args:
        seconds: after which it is answered with nothing.
        cancel: forgets it; returns what says nothing.
    """

    __slots__ = ("_body", "_cancel", "_deliver", "_executor", "_ready", "_seconds")

    def __init__(self, executor: Executor, seconds: float, cancel: Callable[[Poll], bytes]) -> None:
        self._executor = executor
        self._seconds = seconds
        self._cancel = cancel
        self._ready: Event | None = None
        self._deliver: Callable[[bytes], object] | None = None
        self._body: bytes | None = None

    def is_there(self) -> bool:
        """Whether it is answered already."""
        return self._body is not None

    def answer(self, body: bytes) -> None:
        """This is what there is to say."""
        with self._executor.guard:
            self._body = body
            deliver, ready = self._deliver, self._ready
        if deliver is not None:
            deliver(body)
        elif ready is not None:
            ready.set()

    def wait(self) -> bytes:
        """The answer's body."""
        with self._executor.guard:
            ready = self._ready = self._executor.event()
            if self._body is not None:
                return self._body
        ready.wait(self._seconds)
        return self._cancel(self) if self._body is None else self._body

    def deliver_to(self, deliver: Callable[[bytes], object]) -> None:
        """Call ``deliver`` with the answer's body, perhaps at once."""
        with self._executor.guard:
            self._deliver = deliver
            body = self._body
        if body is not None:
            deliver(body)

    def cancel(self) -> None:
        """Nobody waits any more."""
        self._cancel(self)


class PollingTransport(Transport):
    """A peer that asks again and again.

    Args:
        forget: called once no request can reach it any more, with what sends in its stead, or None.
    """

    __slots__ = (
        "_ending",
        "_executor",
        "_forget",
        "_is_posting",
        "_is_upgrading",
        "_limits",
        "_open",
        "_outbox",
        "_poll",
        "_resumed",
        "_successor",
    )

    def __init__(
        self,
        connection: Connection,
        executor: Executor,
        limits: Limits,
        forget: Callable[[Carrier | None], object],
    ) -> None:
        super().__init__(connection)
        self._executor = executor
        self._limits = limits
        self._forget = forget
        self._outbox = Outbox(limits.outbox, limits.outbox_messages)
        self._open = True
        self._is_posting = self._is_upgrading = False
        self._poll: Poll | None = None
        self._resumed: Event | None = None
        self._ending: Timer | None = None
        self._successor: Carrier | None = None

    # Out.

    def send(self, frame: Frame) -> bool:
        with self._executor.guard:
            if self._successor is not None:  # its turn came while the sender had this one in hand
                return self._successor.send(frame)
            if not self._open or (frame.lane is VOLATILE and self._outbox):
                return False
            if not self._outbox.add(part_of(frame), frame.lane):
                return self._too_slow()
            self._answer()
            return True

    def _too_slow(self) -> bool:
        self._outbox.drop_unbegun()
        self._open = False  # nothing of the same burst comes between, or the peer would miss the gap
        self._executor.call_home(self._say_too_slow)
        return False

    def _say_too_slow(self) -> None:
        self._open = True
        self.connection.handle_too_slow()

    def poll(self, seconds: float) -> Poll | None:
        """A GET has come, and may wait for so long. None when another one waits: that ends the connection."""
        with self._executor.guard:
            if self._poll is not None:
                self.connection.close(1002, "two requests at a time")
                return None
            poll = self._poll = Poll(self._executor, seconds, self._cancelled)
            self._answer()
            return poll

    def _answer(self) -> None:
        """Answer the GET that waits, if one does and there is anything to say."""
        if self._poll is not None and (self._outbox or self._is_upgrading or not self._open):
            self._answer_with(self._take())

    def _answer_with(self, body: bytes) -> None:
        poll, self._poll = self._poll, None
        if poll is not None:
            poll.answer(body)
        if not self._open:
            self._dispose()

    def _take(self) -> bytes:
        """All that waits, as one payload."""
        return join_payload(self._take_parts() or [NOOP_FRAME.payload])

    def _take_parts(self) -> list[bytes]:
        parts = []
        while self._outbox:
            parts.append(bytes(self._outbox.first()))
            self._outbox.taken(len(parts[-1]))
        return parts

    def _cancelled(self, poll: Poll) -> bytes:
        with self._executor.guard:
            if self._poll is poll:
                self._poll = None
        return NOOP_FRAME.payload

    # In.

    def receive(self, body: bytes) -> Fault | None:
        """A POST has come; says what is wrong with it, which ends the connection. May block."""
        with self._executor.guard:
            if self._is_posting:
                self.connection.close(1002, "two requests at a time")
                return BAD_REQUEST
            self._is_posting = True
        try:
            messages = split_payload(body, PACKETS)
            for message in messages:
                parse(message)
        except MalformedMessage:
            self.connection.handler.counts["malformed"] += 1
            self.connection.close(1007, "parse error")
            return BAD_REQUEST
        else:
            return self._hand_in(messages)
        finally:
            self._is_posting = False

    def _hand_in(self, messages: list[Message]) -> Fault | None:
        if not self._can_take():
            self.connection.close(1008, "it does not get done what it is told")
            return BAD_REQUEST
        if not self._open:  # it will learn so from its next GET
            return None
        end = messages.index(CLOSE) if CLOSE in messages else None
        if messages[:end]:
            self.connection.handle_messages(messages[:end])
        if end is not None:
            self._hung_up()
        return None

    def _can_take(self) -> bool:
        """Wait while the connection has enough to do; False when that takes too long."""
        resumed = self._resumed
        return resumed is None or bool(resumed.wait(self._limits.stale_after))

    def pause(self) -> None:
        with self._executor.guard:
            if self._resumed is None:
                self._resumed = self._executor.event()

    def resume(self) -> None:
        with self._executor.guard:
            resumed, self._resumed = self._resumed, None
        if resumed is not None:
            resumed.set()

    # The end.

    def close(self, code: int, reason: str) -> None:
        with self._executor.guard:
            if not self._open:
                return
            self._open = False
            self._outbox.force(CLOSE_FRAME.payload)
            if self._poll is not None:
                self._answer()
            elif code in GENTLE:
                self._ending = self._executor.later(self._limits.close_timeout, self._dispose)
            else:
                self._dispose()

    def _hung_up(self) -> None:
        """The peer has said that this is the end."""
        with self._executor.guard:
            self._open = False
            self._answer_with(NOOP_FRAME.payload)
        self.connection.handle_close(1000, "")

    def _dispose(self) -> None:
        self.resume()
        if self._ending is not None:
            self._ending.cancel()
        self._forget(self._successor)

    # A WebSocket instead.

    def begin_upgrade(self) -> bool:
        """Answer every GET at once from now on; False when another WebSocket is about to take over."""
        with self._executor.guard:
            if self._is_upgrading or not self._open:
                return False
            self._is_upgrading = True
            self._answer()
            return True

    def abandon_upgrade(self) -> None:
        """It did not take over: all is as before."""
        self._is_upgrading = False

    def hand_over(self, successor: Carrier) -> bool:
        """Let another transport send what waits and what will be sent; False when it is too late for that."""
        with self._executor.guard:
            if not self._open:
                return False
            waiting = [_frame_of(part) for part in self._take_parts()]
            self._open = False
            self._successor = successor
            self.connection.attach(successor)
            if self._resumed is not None:
                successor.pause()
            self._answer_with(NOOP_FRAME.payload)
            for frame in waiting:
                successor.send(frame)
            return True


def _frame_of(part: bytes) -> Frame:
    """Undo ``part_of``."""
    frames = [
        Frame(packet.encode()) if isinstance(packet, str) else Frame(packet, BINARY)
        for packet in split_payload(part, len(part))
    ]
    return frames[0] if len(frames) == 1 else Burst(frames)
