"""Wildcards in the names of streams that are pushed to: ``*`` stands for anything but a ``;``.

Everything else is itself, brackets and dots too. Source: Pakyow's channels, whose other letters were
regular expressions by mistake.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from functools import lru_cache

WILDCARD = "*"


def is_pattern(name: str) -> bool:
    """Whether a name stands for many."""
    return WILDCARD in name


@lru_cache(maxsize=1024)
def _expression(names: tuple[str, ...]) -> re.Pattern[str]:
    parts = ("[^;]*".join(map(re.escape, re.split(r"\*+", name))) for name in names)
    return re.compile("|".join(parts))


class Patterns:
    """The names of one push: exact ones, and those with wildcards."""

    def __init__(self, names: Iterable[str]) -> None:
        names = list(names)
        self.exact = frozenset(name for name in names if not is_pattern(name))
        wild = tuple(sorted({name for name in names if is_pattern(name)}))
        self._wild = _expression(wild) if wild else None

    def match(self, stream: str) -> bool:
        """Whether a stream is among those that are meant."""
        return stream in self.exact or (self._wild is not None and self._wild.fullmatch(stream) is not None)

    def among(self, streams: Collection[str]) -> list[str]:
        """Those of ``streams`` that are meant."""
        if self._wild is not None:
            return [stream for stream in streams if self.match(stream)]
        return [name for name in self.exact if name in streams]
