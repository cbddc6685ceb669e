"""What belongs to one process: made there, and anew in each that finds itself forked.

Used by whatever here has threads, locks or connections: those of a parent are of no use to its child.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable


class Fork:
    """Calls ``make()`` now, and once in each process that was forked since and looks."""

    def __init__(self, make: Callable[[], object]) -> None:
        self._make = make
        self._guard = threading.Lock()
        make()
        self._pid = os.getpid()

    @property
    def is_ours(self) -> bool:
        """Whether what was made belongs to this process."""
        return self._pid == os.getpid()

    def look(self) -> None:
        """Make it anew if need be; of several threads that look at once, one does and the others wait."""
        if not self.is_ours:
            with self._guard:
                if not self.is_ours:
                    self._make()
                    self._pid = os.getpid()


class Stray(BaseException):
    """Who works here was forked with its process: threads end then, but greenlets go on, in both."""


class Home:
    """The process that a connection belongs to."""

    def __init__(self) -> None:
        self._pid = os.getpid()

    @property
    def is_here(self) -> bool:
        """Whether this process is the one."""
        return self._pid == os.getpid()

    def check(self) -> None:
        """Called before a connection is touched, after a wait. Raises ``Stray`` in another process."""
        if not self.is_here:
            raise Stray
