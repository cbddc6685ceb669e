"""Target: which sockets of a namespace are meant, in a form that travels between processes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple


class Target(NamedTuple):
    """Sockets that are in any of ``rooms``, or all without any, and in none of ``without``.

    Attributes:
        skipped: the id of a socket of this process that is left out, or "".
    """

    rooms: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    skipped: str = ""

    def fields(self) -> dict[str, Any]:
        """What other processes are told, who do not have the socket that is skipped."""
        fields: dict[str, Any] = {}
        if self.rooms:
            fields["to"] = self.rooms
        if self.without:
            fields["not"] = self.without
        return fields

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Target:
        """Undo ``fields``."""
        return cls(tuple(fields.get("to", ())), tuple(fields.get("not", ())))

    def covers(self, rooms: Collection[str]) -> bool:
        """Whether one who is in these rooms is meant."""
        wanted = not self.rooms or any(room in rooms for room in self.rooms)
        return wanted and not any(room in rooms for room in self.without)
