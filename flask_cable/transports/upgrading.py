"""From long polling to a WebSocket, with nothing lost and nothing out of order.

The new WebSocket's transport talks to ``Upgrading`` until the peer says that it will poll no more, and
from the next message on to the connection itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..core.connection import Connection
from ..core.executor import Executor, Timer
from ..core.handler import Handler
from ..protocols.engineio import PING, PROBE, PROBE_ANSWER, UPGRADE
from .base import Transport
from .polling import PollingTransport


class Upgrading:
    """Stands for a connection that still polls, towards the WebSocket that is to take over."""

    handshake = None
    """The connection has its own already."""

    def __init__(
        self, connection: Connection, polling: PollingTransport, executor: Executor, seconds: float
    ) -> None:
        self._connection = connection
        self._polling = polling
        self._executor = executor
        self._seconds = seconds
        self._transport: Transport | None = None
        self._early: list[str | bytes] = []
        self._timer: Timer | None = None
        self._is_probed = False

    # What a transport asks of its connection.

    @property
    def id(self) -> int:
        return self._connection.id

    @property
    def handler(self) -> Handler:
        return self._connection.handler

    def attach(self, transport: Any) -> None:
        """The WebSocket is open; it has so many seconds to take over."""
        with self._executor.guard:
            self._transport = transport
            self._timer = self._executor.later(self._seconds, self._give_up)
            early, self._early = self._early, []
        if early:
            self.handle_messages(early)

    def handle_messages(self, messages: Iterable[str | bytes]) -> None:
        """A probe, which is answered, and then the word that the peer has changed over."""
        with self._executor.guard:
            if self._transport is None:  # the peer was faster than ``attach``
                self._early.extend(messages)
                return
            rest = iter(messages)
            for message in rest:
                if message == PING + PROBE and not self._is_probed:
                    self._probed(self._transport)
                elif message == UPGRADE and self._is_probed:
                    return self._take_over(self._transport, list(rest))
                else:
                    return self._end(1002, "not an upgrade")

    def _probed(self, transport: Transport) -> None:
        self._is_probed = self._polling.begin_upgrade()
        if self._is_probed:
            transport.send(PROBE_ANSWER)
        else:
            transport.close(1002, "another upgrade is under way")

    def _take_over(self, transport: Transport, rest: list[str | bytes]) -> None:
        self._stop()
        if not self._polling.hand_over(transport):
            return transport.close(1000, "the connection has ended")
        transport.connection = self._connection
        if rest:
            self._connection.handle_messages(rest)

    def handle_close(self, code: int, reason: str) -> None:
        """The WebSocket is gone again: polling goes on."""
        self._stop()
        if self._is_probed:
            self._polling.abandon_upgrade()

    def handle_ping(self) -> None:
        """It is alive, which proves nothing yet."""

    def handle_violation(self, code: int, reason: str) -> None:
        """The peer has broken a rule of WebSockets, and is closed for it."""
        self.handle_close(code, reason)

    def handle_too_slow(self) -> None:
        """It does not even read the answer to its probe."""
        self._end(1013, "too slow")

    def _give_up(self) -> None:
        self._end(1000, "the upgrade took too long")

    def _end(self, code: int, reason: str) -> None:
        if self._transport is not None:
            self._transport.close(code, reason)
        self.handle_close(code, reason)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
