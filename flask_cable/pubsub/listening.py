"""What a networked adapter hears: this process's callbacks, and one supervised connection for all of them.

The connection's thread alone talks to the server. Who subscribes leaves a note and wakes it; who is called
back is called by it. A lost connection is opened again for ever, and everything is subscribed anew.
"""

from __future__ import annotations

import itertools
import logging
import random
import selectors
import socket
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

from ..errors import BusError
from .base import Callback, Watcher
from .envelope import Envelope
from .forking import Fork, Home, Stray

logger = logging.getLogger("flask_cable")

FIRST, LONGEST = 0.1, 2.0
"""Seconds until the first and until a late try to reach a server again, halved at random."""

GOODBYE = 1.0
"""Seconds that a listener gets to end; one that waits for a silent server ends later, or with the process."""

Heard = tuple[str, bytes | None]
"""An address and what came there; None confirms a subscription to it."""


class Listener(ABC):
    """A connection that hears; used by one thread, but for ``wake``."""

    @abstractmethod
    def subscribe(self, addresses: Sequence[str]) -> None:
        """Ask for these; each is confirmed once by ``receive``, in this order. Bounded in time."""

    @abstractmethod
    def unsubscribe(self, addresses: Sequence[str]) -> None:
        """Ask for these no more; nothing is confirmed. Bounded in time."""

    @abstractmethod
    def receive(self, timeout: float) -> Iterable[Heard] | None:
        """Wait for what the server says, for ``wake`` or for the time to pass.

        Returns None when the server said nothing, and nothing to be iterated for a mere sign of life.
        Raises any error when the connection is broken.
        """

    @abstractmethod
    def probe(self) -> None:
        """Ask for a sign of life, which ``receive`` will return. Bounded in time."""

    @abstractmethod
    def wake(self) -> None:
        """Let ``receive`` return now; from any thread, never blocks, harmless at any time."""

    @abstractmethod
    def close(self) -> None:
        """Give the connection back; harmless when it is broken."""


class Waiter:
    """Waits for a socket, or to be woken; for listeners whose library has a socket to offer.

    Where gevent has patched threads, they live on in a forked child; there it raises ``Stray``, because the
    socket is the parent's.
    """

    def __init__(self, sock: Any) -> None:
        self._home = Home()
        self._near, self._far = socket.socketpair()
        self._near.setblocking(False)
        self._far.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(sock, selectors.EVENT_READ, True)
        self._selector.register(self._far, selectors.EVENT_READ, False)

    def wait(self, timeout: float) -> bool:
        """Whether the socket has something to read, or an end to tell of."""
        keys = [key for key, _ in self._selector.select(timeout)]
        self._home.check()
        if any(not key.data for key in keys):
            with suppress(OSError):
                self._far.recv(4096)
        return any(key.data for key in keys)

    def wake(self) -> None:
        """Let ``wait`` return; from any thread."""
        with suppress(OSError):  # it has more wake-ups than it can take, or is closed
            self._near.send(b"x")

    def close(self) -> None:
        """Give everything back but the socket that was waited for."""
        self._selector.close()
        self._near.close()
        self._far.close()


class _Audience:
    """Who hears one address in this process."""

    __slots__ = ("callbacks", "live", "waiting")

    def __init__(self) -> None:
        self.callbacks: dict[int, Callback] = {}
        self.waiting: dict[int, Callable[[], object]] = {}
        self.live = False


class Incoming:
    """Callbacks by address, and the thread that feeds them.

    Args:
        listen: opens a connection.
        timeout: seconds of the server's silence after which the connection counts as lost.
        name: what the server is called in log lines.

    Attributes:
        is_live: whether everything that is subscribed to is heard.
        is_lost: whether the server is known to be out of reach.
        dropped: how many messages could not be unwrapped.
    """

    def __init__(self, listen: Callable[[], Listener], envelope: Envelope, timeout: float, name: str) -> None:
        self._listen = listen
        self._envelope = envelope
        self._timeout = timeout
        self._name = name
        self._numbers = itertools.count(1)
        self._audiences: dict[str, _Audience] = {}
        self._address_of: dict[int, str] = {}
        self._watchers: list[Watcher] = []
        self.dropped = 0
        self._fork = Fork(self._make)

    def _make(self) -> None:
        self._guard = threading.RLock()
        self._changed: dict[str, None] = {}
        self._listener: Listener | None = None
        self._thread: threading.Thread | None = None
        self._stopped = False
        self._hurry = threading.Event()
        self._lost_at = 0.0
        self._error: BusError | None = None
        self.is_live = False
        self.is_lost = False
        for audience in self._audiences.values():
            audience.live = False

    # Callbacks, from any thread.

    def subscribe(self, address: str, callback: Callback, on_live: Callable[[], object] | None = None) -> int:
        """Call ``callback`` with each message; ``on_live`` once the server has confirmed."""
        self._fork.look()
        number = next(self._numbers)
        with self._guard:
            audience = self._audiences.get(address)
            if audience is None:
                audience = self._audiences[address] = _Audience()
                self._changed[address] = None
            audience.callbacks[number] = callback
            self._address_of[number] = address
            live = audience.live
            if on_live is not None and not live:
                audience.waiting[number] = on_live
        self._wake()
        if on_live is not None and live:
            on_live()
        return number

    def unsubscribe(self, number: int) -> bool:
        """Call no more; False for an unknown number."""
        self._fork.look()
        with self._guard:
            address = self._address_of.pop(number, None)
            if address is None:
                return False
            audience = self._audiences[address]
            del audience.callbacks[number]
            audience.waiting.pop(number, None)
            if not audience.callbacks:
                del self._audiences[address]
                self._changed[address] = None
        self._wake()
        return True

    def subscriber_count(self, address: str) -> int:
        """How many callbacks an address has."""
        audience = self._audiences.get(address)
        return len(audience.callbacks) if audience is not None else 0

    def watch(self, watcher: Watcher) -> None:
        """Tell ``watcher`` of every outage, the present one first."""
        with self._guard:
            self._watchers.append(watcher)
            error = self._error
        if error is not None:
            _isolated("is told of an outage", watcher.lost, error)

    def _wake(self) -> None:
        listener = self._listener
        if listener is not None:
            listener.wake()
        elif self._thread is None:
            self._start()

    def _start(self) -> None:
        with self._guard:
            if self._thread is None and not self._stopped:
                self._thread = threading.Thread(target=self._run, name="flask-cable-listener", daemon=True)
                self._thread.start()

    def hurry(self) -> None:
        """Somebody has just reached the server: if it is lost, try it now."""
        if self.is_lost:
            self._hurry.set()

    def stop(self) -> None:
        """Hear nothing more, and give the connection back."""
        if self._stopped or not self._fork.is_ours:
            return
        self._stopped = True
        self._hurry.set()
        self.is_live = False
        if self._listener is not None:
            self._listener.wake()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(min(self._timeout, GOODBYE))

    # The thread.

    def _run(self) -> None:
        home = Home()
        try:
            with suppress(Stray):
                self._hear_for_ever(home)
        finally:
            if home.is_here:
                self.is_live = False
                self._thread = None  # who kills it finds it revived by the next who subscribes

    def _hear_for_ever(self, home: Home) -> None:
        delay = FIRST
        while not self._stopped:
            try:
                self._hear(home)
            except Exception as error:
                home.check()
                if not self._stopped:
                    delay = FIRST if self.is_live else min(delay * 2, LONGEST)
                    self._lose(error)
            woken = self._hurry.wait(delay * random.uniform(0.5, 1.0))
            home.check()
            if woken:
                self._hurry.clear()

    def _hear(self, home: Home) -> None:
        """Open a connection and hear until it breaks, which raises, or until the end."""
        listener = self._listen()
        home.check()
        self._listener = listener
        try:
            _Spell(self, listener, self._timeout, home).run()
        finally:
            if home.is_here:
                self._listener = None
                _close(listener)

    def _lose(self, error: Exception) -> None:
        with self._guard:
            was_lost, self.is_lost, self.is_live = self.is_lost, True, False
            lost = self._error = BusError(f"{self._name}: {error}")
            watchers = list(self._watchers)
            for audience in self._audiences.values():
                audience.live = False
        if was_lost:
            return logger.debug("%s is still out of reach: %s", self._name, error)
        self._lost_at = time.monotonic()
        logger.warning("%s is out of reach, and will be tried for ever: %s", self._name, error)
        for watcher in watchers:
            _isolated("is told of an outage", watcher.lost, lost)

    # What a spell of hearing calls, on the thread.

    @property
    def is_stopped(self) -> bool:
        """Whether the end has come."""
        return self._stopped

    def begin(self) -> list[str]:
        """The addresses that are wanted, all of which are to be asked for."""
        with self._guard:
            self._changed.clear()
            return list(self._audiences)

    def changes(self) -> dict[str, bool]:
        """Addresses that may be wanted anew, or no more, since the last call."""
        if not self._changed:
            return {}
        with self._guard:
            changed, self._changed = self._changed, {}
            return {address: address in self._audiences for address in changed}

    def confirm(self, address: str) -> None:
        """Nothing is missed any more at ``address``."""
        with self._guard:
            audience = self._audiences.get(address)
            if audience is None:
                return
            audience.live = True
            waiting, audience.waiting = audience.waiting, {}
        for on_live in waiting.values():
            _isolated(f"waits for {address!r}", on_live)

    def all_confirmed(self) -> None:
        """Nothing is missed any more at any address."""
        self.is_live = True
        if self.is_lost:
            self.is_lost, self._error = False, None
            seconds = time.monotonic() - self._lost_at
            logger.warning("%s is back after %.1f s", self._name, seconds)
            for watcher in self._watchers:
                _isolated("is told of an outage's end", watcher.restored, seconds)

    def deliver(self, address: str, payload: bytes) -> None:
        """Call those who hear ``address``."""
        audience = self._audiences.get(address)
        if audience is None:
            return
        message = self._envelope.unwrap(address, payload)
        if message is None:
            return self._drop(address)
        for number, callback in list(audience.callbacks.items()):
            if number not in self._address_of:  # it left while others were called
                continue
            try:
                callback(message)
            except Exception:
                logger.exception("who hears %r raised", address)

    def _drop(self, address: str) -> None:
        self.dropped += 1
        if self.dropped == 1:
            logger.warning(
                "a message at %r was malformed, foreign or not signed with CABLE_BUS_SECRET, and was "
                "dropped; such are counted from now on, and not logged",
                address,
            )


class _Spell:
    """What one connection was asked for, from its first word to its end."""

    def __init__(self, incoming: Incoming, listener: Listener, timeout: float, home: Home) -> None:
        self._home = home
        self._incoming = incoming
        self._listener = listener
        self._patience = timeout / 2
        self._asked: set[str] = set()
        self._unconfirmed: Counter[str] = Counter()
        self._heard_at = time.monotonic()
        self._probed_at: float | None = None
        self._is_whole = False

    def run(self) -> None:
        """Ask and hear. Returns at the end, raises when the connection is broken."""
        self._ask(self._incoming.begin())
        while not self._incoming.is_stopped:
            self._follow(self._incoming.changes())
            if not self._is_whole and not self._unconfirmed:
                self._is_whole = True
                self._incoming.all_confirmed()
            heard = self._listener.receive(self._patience)
            self._home.check()
            self._take(heard)

    def _follow(self, changes: dict[str, bool]) -> None:
        """Make what the server was asked for what is wanted; what came and went at once costs nothing."""
        wanted = [address for address, is_wanted in changes.items() if is_wanted]
        unwanted = [address for address, is_wanted in changes.items() if not is_wanted]
        leaving = [address for address in unwanted if address in self._asked]
        if leaving:
            self._asked.difference_update(leaving)
            self._listener.unsubscribe(leaving)
        self._ask([address for address in wanted if address not in self._asked])
        for address in wanted:  # it was left and joined again, and nobody told the server
            if not self._unconfirmed[address]:
                self._incoming.confirm(address)

    def _ask(self, addresses: list[str]) -> None:
        if addresses:
            self._asked.update(addresses)
            self._unconfirmed.update(addresses)
            self._listener.subscribe(addresses)

    def _take(self, heard: Iterable[Heard] | None) -> None:
        if heard is None:
            return self._check_life()
        self._heard_at, self._probed_at = time.monotonic(), None
        for address, payload in heard:
            if payload is not None:
                self._incoming.deliver(address, payload)
            else:
                self._confirmed(address)

    def _confirmed(self, address: str) -> None:
        """An address that was left and joined again is live with its last confirmation, not the first."""
        self._unconfirmed[address] -= 1
        if self._unconfirmed[address] <= 0:
            del self._unconfirmed[address]
            if address in self._asked:
                self._incoming.confirm(address)

    def _check_life(self) -> None:
        """Ask one who is silent for a sign of life, and give up one who does not answer.

        Raises:
            BusError: the server is silent; judged only after a look at what it said.
        """
        now = time.monotonic()
        if self._probed_at is None:
            if now - self._heard_at >= self._patience:
                self._probed_at = now
                self._listener.probe()
        elif now - self._probed_at >= self._patience:
            raise BusError(f"said nothing for {now - self._heard_at:.1f} s")


def _close(listener: Listener) -> None:
    try:
        listener.close()
    except Exception:
        logger.debug("closing a broken connection", exc_info=True)


def _isolated(what: str, function: Callable[..., object], *args: object) -> None:
    try:
        function(*args)
    except Exception:
        logger.exception("who %s raised", what)
