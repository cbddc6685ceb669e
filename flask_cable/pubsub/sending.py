"""What a networked adapter says: one thread publishes for all the others.

While one round trip is under way the next one's messages gather, so that many publishers cost little more
than one. Knows nothing of envelopes and of streams' names.
"""

from __future__ import annotations

import logging
import queue
import random
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence

from ..errors import BusError
from .base import Done
from .forking import Fork, Home

logger = logging.getLogger("flask_cable")

BATCH, BATCH_BYTES = 500, 2**20
"""Messages, and bytes but for the last of them, that go out in one round trip."""

FIRST, LONGEST = 0.1, 2.0
"""Seconds until the first and until a late try to reach a server again, halved at random."""


REST = 1.0
"""Seconds without a message after which it is looked whether the server has hung up."""


class Sender(ABC):
    """A connection that publishes; used by one thread at a time."""

    @abstractmethod
    def send(self, messages: Sequence[tuple[str, bytes]]) -> Mapping[int, Exception]:
        """Publish ``(address, payload)`` in this order, and wait until the server has taken all.

        Returns why it refused some, by their place; they are not tried again. Bounded in time. Raises
        any error, ``Broken`` where it is known how far it came, when the connection is broken: it is then
        closed, and another one opened.
        """

    @property
    def is_stale(self) -> bool:
        """Whether the server has hung up on an idle connection; not waited for."""
        return False

    @abstractmethod
    def close(self) -> None:
        """Give the connection back; harmless when it is broken."""


class Broken(BusError):
    """A connection broke after the server had taken the first ``taken`` messages of a batch."""

    def __init__(self, why: object, taken: int) -> None:
        super().__init__(str(why))
        self.taken = taken


class _Letter:
    """One message on its way."""

    __slots__ = ("address", "deadline", "done", "payload")

    def __init__(self, address: str, payload: bytes, done: Done | None, deadline: float) -> None:
        self.address = address
        self.payload = payload
        self.done = done
        self.deadline = deadline

    def tell(self, error: BusError | None) -> None:
        done, self.done = self.done, None
        if done is not None:
            try:
                done(error)
            except Exception:
                logger.exception("who published to %r could not be told how it went", self.address)


class Outgoing:
    """Takes messages from any thread and sends them in their order.

    Args:
        connect: opens a connection.
        on_connected: called when that went well.
        timeout: seconds after which a message that has not been sent is given up.
        buffer: messages that are kept, and not given up, while the server is away.
        limit: messages that may wait while it is there.
        name: what errors call the server.
    """

    def __init__(
        self,
        connect: Callable[[], Sender],
        on_connected: Callable[[], object],
        timeout: float,
        buffer: int = 0,
        limit: int = 10_000,
        *,
        name: str = "the server",
    ) -> None:
        self._connect = connect
        self._on_connected = on_connected
        self._timeout = timeout
        self._buffer = buffer
        self._limit = max(limit, buffer)
        self._name = name
        self._fork = Fork(self._make)

    def _make(self) -> None:
        self._guard = threading.Lock()
        self._queue: queue.SimpleQueue[_Letter | None] = queue.SimpleQueue()
        self._kept: deque[_Letter] = deque()
        self._underway: set[_Letter] = set()  # for their number, exact at any moment and for any thread
        self._sender: Sender | None = None
        self._sent_at = 0.0
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()
        self._away: BusError | None = None

    @property
    def waiting(self) -> int:
        """How many messages have not been sent yet, those on their way included."""
        return len(self._underway)

    def post(self, address: str, payload: bytes, done: Done | None = None) -> None:
        """Send this after all that was posted before; never waits. ``done(error)`` says how it went."""
        self.start()
        letter = _Letter(address, payload, done, time.monotonic() + self._timeout)
        refusal = self._refusal()
        if refusal is not None:
            return letter.tell(refusal)
        if self._away is not None and self._buffer:
            letter.tell(None)
        self._underway.add(letter)
        self._queue.put(letter)

    def _refusal(self) -> BusError | None:
        if self._stopped.is_set():
            return BusError("the pub/sub adapter is stopped")
        if self._away is not None and self._buffer:
            if self.waiting >= self._buffer:
                return BusError(f"{self._away}; CABLE_BUS_BUFFER: {self._buffer} messages are kept already")
        elif self.waiting >= self._limit:
            return BusError(f"{self._limit} messages wait to be published already")
        return None

    def start(self) -> None:
        """Begin, where a thread can be started: gevent's hub, from which others post, is no such place."""
        self._fork.look()
        if self._thread is None:
            with self._guard:
                if self._thread is None and not self._stopped.is_set():
                    self._thread = threading.Thread(target=self._run, name="flask-cable-sender", daemon=True)
                    self._thread.start()

    def doubt(self) -> None:
        """The server was away: look whether it has hung up here, too, before the next message."""
        self._sent_at = -REST

    def stop(self) -> None:
        """Send what waits, if the server takes it in time, and give the connection back."""
        if self._stopped.is_set() or not self._fork.is_ours:
            return
        self._stopped.set()
        self._queue.put(None)
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(self._timeout)

    # The thread.

    def _run(self) -> None:
        delay, home = FIRST, Home()
        try:
            while home.is_here and self._gather():
                if self._send_some():
                    delay = FIRST
                elif self._buffer:
                    self._stopped.wait(delay * random.uniform(0.5, 1.0))
                    delay = min(delay * 2, LONGEST)
                    if self._stopped.is_set():
                        break
        finally:
            if home.is_here:
                self._thread = None  # who kills it finds it revived by the next who publishes
                self._hang_up()
                self._give_up()

    def _gather(self) -> bool:
        """Wait for messages; False when there are none and will be none."""
        if not self._kept:
            letter = self._queue.get()
            if letter is None:
                return False
            self._kept.append(letter)
        while not self._queue.empty():
            letter = self._queue.get()
            if letter is None:
                self._queue.put(None)  # for the next time
                break
            self._kept.append(letter)
        return True

    def _send_some(self) -> bool:
        letters = self._take()
        if not letters:
            return True
        try:
            refused = self._connected().send([(letter.address, letter.payload) for letter in letters])
        except Exception as error:
            taken = error.taken if isinstance(error, Broken) else 0
            self._finish(letters[:taken], None)
            self._failed(letters[taken:], error)
            return False
        self._away = None
        for place, letter in enumerate(letters):
            why = refused.get(place)
            self._finish([letter], None if why is None else f"the server refused a message: {why}")
        return True

    def _connected(self) -> Sender:
        """The connection; after a rest a new one if nobody is at its other end any more."""
        now = time.monotonic()
        if self._sender is not None and now - self._sent_at > REST and self._sender.is_stale:
            self._hang_up()
        if self._sender is None:
            self._sender = self._connect()
            self._on_connected()
        self._sent_at = now
        return self._sender

    def _take(self) -> list[_Letter]:
        """The next round trip's messages, those left out that nobody waits for any more."""
        letters: list[_Letter] = []
        size, now = 0, time.monotonic()
        while self._kept and len(letters) < BATCH and size < BATCH_BYTES:
            letter = self._kept.popleft()
            if letter.deadline < now and not self._buffer:
                self._finish([letter], f"not published within {self._timeout:g} s")
                continue
            letters.append(letter)
            size += len(letter.payload)
        return letters

    def _failed(self, letters: list[_Letter], error: Exception) -> None:
        self._hang_up()
        away = BusError(f"{self._name}: publishing failed: {error}")
        if self._away is None:
            logger.warning("%s", away)
        self._away = away
        if not self._buffer:
            return self._finish(letters, str(away))
        letters = [*letters, *self._kept]
        too_many = [letter for letter in letters[self._buffer :] if letter.done is not None]
        self._finish(too_many, f"{away}; CABLE_BUS_BUFFER: {self._buffer} messages are kept")
        self._kept = deque(letter for letter in letters if letter in self._underway)
        for letter in self._kept:
            letter.tell(None)

    def _finish(self, letters: Iterable[_Letter], error: str | None) -> None:
        """Nothing more is done about these; who waits for them is told how it went."""
        for letter in letters:
            self._underway.discard(letter)
            letter.tell(None if error is None else BusError(error))

    def _hang_up(self) -> None:
        sender, self._sender = self._sender, None
        if sender is not None:
            try:
                sender.close()
            except Exception:
                logger.debug("closing a broken connection", exc_info=True)

    def _give_up(self) -> None:
        while self._stopped.is_set() and not self._queue.empty():  # somebody was just about to post
            letter = self._queue.get()
            if letter is not None:
                self._kept.append(letter)
        if self._kept:
            logger.warning("%d messages were not published before the end", len(self._kept))
        while self._kept:
            self._finish([self._kept.popleft()], "the pub/sub adapter was stopped")
