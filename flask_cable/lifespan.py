"""The end of a server process: notices that it comes, and keeps the process until its peers have been told.

gunicorn tells applications nothing in time: on SIGTERM, SIGHUP and past ``--max-requests`` its worker only
drops a flag, which is watched here. Every ordinary end of a process, Ctrl-C included, passes ``atexit``.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
from collections.abc import Callable
from typing import Any

from .core.drain import LINGER, Drain
from .core.executor import Executor, Timer

POLL = 0.2
"""Seconds between looks at gunicorn's flag."""


class Lifespan:
    """Drains one runtime when its process ends.

    Args:
        seconds: over which peers are told.
        stop: what is called when everybody is gone.
        flush: sends what is being put off; called before peers are told, and before ``stop``.
    """

    def __init__(
        self,
        drain: Drain,
        executor: Executor,
        seconds: float,
        stop: Callable[[], object],
        flush: Callable[[], object],
    ) -> None:
        self.drain = drain
        self._stop = stop
        self._flush = flush
        self._executor = executor
        self._seconds = seconds
        self._worker = _gunicorn_worker()
        self._timer: Timer | None = None
        self._pid = os.getpid()

    def watch(self) -> None:
        """Begin to look out for the end."""
        atexit.register(self.end)
        if self._worker is not None:
            self._timer = self._executor.every(POLL, self._look)

    def forget(self) -> None:
        """Look out no more: this runtime is not used any longer."""
        atexit.unregister(self.end)
        self._stop_looking()

    def _look(self) -> None:
        if not self._worker.alive:
            self._stop_looking()
            self._flush()
            self.drain.start(self._patience())

    def _stop_looking(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _patience(self) -> float:
        """How long the drain may take: not at all where requests would wait for a successor meanwhile."""
        worker = self._worker
        worn_out = getattr(worker, "nr", 0) >= getattr(worker, "max_requests", sys.maxsize)
        return 0.0 if worn_out and worker.cfg.workers == 1 else self._seconds

    def end(self) -> None:
        """Drain now, if it has not been done, and wait for it; bounded."""
        if os.getpid() != self._pid:
            return
        self._stop_looking()
        self._flush()
        if not self.drain.is_over:
            self._executor.call_home(self.drain.start, 0.0)
            self.drain.wait(self._seconds + 2 * LINGER)
            self._flush()
        self._stop()  # after the last hooks, which may have broadcast something


def _gunicorn_worker() -> Any:
    """The gunicorn worker of this process; gunicorn hands it to nobody, so it is looked up once."""
    base = sys.modules.get("gunicorn.workers.base")
    if base is None:
        return None
    pid = os.getpid()
    workers = (one for one in gc.get_objects() if issubclass(type(one), base.Worker))
    return next((worker for worker in workers if worker.pid == pid), None)
