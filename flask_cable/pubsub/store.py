"""The port to what processes share beside messages: names, counts, small texts, bounded logs.

Its contract is tested in one suite for all adapters. Calls may block: they belong on a worker, never at
home. What a process left behind when it died is gone once its lease has run out.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple


class Entry(NamedTuple):
    """One line of a log: its place, which only grows, and what was said."""

    offset: int
    text: str


class Store(ABC):
    """Small shared state, on the same server as the messages.

    Keys, owners and texts are any text. A *node* is one process; it keeps a lease with ``beat`` and owns
    names as ``"<node>:<anything>"``. A node without a lease owns nothing and counts for nothing, at once and
    for everybody; what it left is removed some time later.

    Raises:
        BusError: the server did not answer in time; every method may.
    """

    # Nodes.

    @abstractmethod
    def beat(self, node: str, ttl: float) -> bool:
        """Keep a node's lease for ``ttl`` seconds; False when it had none, so that nothing it owned holds."""

    @abstractmethod
    def retire(self, node: str) -> None:
        """Give up a node's lease and all that it owns: the process ends."""

    # Names: one owner each.

    @abstractmethod
    def claim(self, name: str, owner: str) -> str:
        """Take a name that nobody has; returns who has it now, which is ``owner`` when that went well.

        Of several that race for one name exactly one wins. An owner whose node has no lease gets nothing:
        ``""`` says that nobody has the name, and that its node has to ``beat`` first.
        """

    @abstractmethod
    def release(self, name: str, owner: str) -> bool:
        """Give a name back; False when ``owner`` does not have it."""

    @abstractmethod
    def owner(self, name: str) -> str | None:
        """Who has a name; None when nobody has, or nobody who lives."""

    # Counts: one number for each node.

    @abstractmethod
    def set_count(self, key: str, node: str, count: int) -> None:
        """Say how many this node counts under ``key``; 0 forgets it. Without a lease nothing is counted."""

    @abstractmethod
    def counts(self, key: str) -> dict[str, int]:
        """What each living node counts under ``key``, zeros left out."""

    # Texts: kept for a while.

    @abstractmethod
    def put(self, key: str, text: str, ttl: float) -> None:
        """Keep a text for ``ttl`` seconds from now, in place of what was there."""

    @abstractmethod
    def get(self, key: str) -> str | None:
        """The text, while it is kept."""

    @abstractmethod
    def take(self, key: str) -> str | None:
        """The text, which is then gone: of several that take it exactly one gets it."""

    # Logs: the last so many lines.

    @abstractmethod
    def append(self, key: str, text: str, limit: int, ttl: float) -> int:
        """Add a line to a log of the last ``limit``, kept until ``ttl`` seconds pass without one.

        Returns its offset: greater than that of every line before it, also of those that are gone. ``limit``
        is 1 at least.
        """

    @abstractmethod
    def since(self, key: str, offset: int) -> list[Entry] | None:
        """The lines after ``offset``; None when some of them are gone, so that there is a gap."""

    @abstractmethod
    def last(self, key: str, count: int) -> list[Entry]:
        """The last ``count`` lines that there are, the oldest first; none when there is no such log."""

    def stop(self) -> None:  # noqa: B027 - an adapter without connections has nothing to stop
        """Give back connections."""
