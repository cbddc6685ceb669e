"""What an application did since it is under test, and its own settings, to be given back."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, cast
from weakref import WeakSet

from flask import Flask

from .. import signals
from ..core.connection import Connection
from ..core.executor import ManualExecutor
from ..errors import CommandError, NotReady
from ..pubsub.memory import MemoryPubSub
from ..runtime import CableState

if TYPE_CHECKING:
    from .client import CableClient

JOURNAL = "cable_testing"

_MANUAL = {"CABLE_EXECUTOR": "manual", "CABLE_URL": None}


class Journal:
    """What one application did since it is under test; shared by its clients, and gone with the last.

    Meanwhile its cable knows no applications but those under test: what factories made for earlier tests
    waits for the garbage collector, and would make a broadcast outside of any context ambiguous.

    Attributes:
        broadcasts: stream and text of all that was broadcast.
        errors: connection and error of all that went wrong.
    """

    def __init__(self, app: Flask) -> None:
        self.broadcasts: list[tuple[str, str]] = []
        self.errors: list[tuple[Connection, BaseException]] = []
        self._unseen: list[BaseException] = []
        self._clients = 0
        self._app = app
        state = state_of(app)
        self._settings = {name: app.config[name] for name in _MANUAL}
        app.config.update(_MANUAL)
        _stop_other_runtime(state)
        self._apps = state.cable._apps
        self._aside = WeakSet(other for other in self._apps if JOURNAL not in other.extensions)
        self._apps -= self._aside
        self._apps.add(app)
        signals.broadcasting.connect(self._note_broadcast, sender=app)
        signals.command_failed.connect(self._note_error, sender=app)
        signals.broadcast_failed.connect(self._note_failed_broadcast, sender=app)

    def add(self, client: CableClient) -> None:
        """Take in one more client."""
        self._clients += 1
        weakref.finalize(client, self._left).atexit = False

    def _left(self) -> None:
        self._clients -= 1
        if not self._clients:
            self.close()

    def close(self) -> None:
        """Give the application back as it was; harmless when that has happened."""
        if self._app.extensions.get(JOURNAL) is self:
            del self._app.extensions[JOURNAL]
            signals.broadcasting.disconnect(self._note_broadcast, sender=self._app)
            signals.command_failed.disconnect(self._note_error, sender=self._app)
            signals.broadcast_failed.disconnect(self._note_failed_broadcast, sender=self._app)
            self._apps |= self._aside
            self._app.config.update(self._settings)
            state_of(self._app).reset()

    def _note_broadcast(self, sender: Flask, stream: str, text: str) -> None:
        self.broadcasts.append((stream, text))

    def _note_error(self, sender: Flask, connection: Connection, error: BaseException) -> None:
        self.errors.append((connection, error))
        if not isinstance(error, CommandError):
            self._unseen.append(error)

    def _note_failed_broadcast(self, sender: Flask, record: object, error: BaseException) -> None:
        self._unseen.append(error)

    def take_unseen(self) -> list[BaseException]:
        """The application's errors since the last call."""
        unseen, self._unseen = self._unseen, []
        return unseen


def journal_of(app: Flask) -> Journal:
    if JOURNAL not in app.extensions:
        app.extensions[JOURNAL] = Journal(app)
    return cast(Journal, app.extensions[JOURNAL])


def state_of(app: Flask) -> CableState:
    state: CableState | None = app.extensions.get("cable")
    if state is None:
        raise NotReady("this application has no Cable: call cable.init_app(app) first")
    return state


def _stop_other_runtime(state: CableState) -> None:
    """Let go of a runtime that was made for serving, in whose place a manual one will be made."""
    runtime = state.runtime()
    if not isinstance(runtime.executor, ManualExecutor) or not isinstance(runtime.hub.bus, MemoryPubSub):
        runtime.hub.bus.stop()  # type: ignore[attr-defined]
        runtime.executor.stop()
        state.reset()
