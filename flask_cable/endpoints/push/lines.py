"""How pushes are written down for other processes: a head of JSON, a line's end, and what was pushed."""

from __future__ import annotations

import json
from collections.abc import Sequence

from .patterns import Patterns

PUSH, ORDER, CLAIM = "poc"
"""What is said to one page alone: a push, a change of what it hears, or that it has a newer socket."""


def shared_line(streams: Sequence[str], body: str) -> str:
    """A push to several streams, or to those that match."""
    return f"{json.dumps(streams)}\n{body}"


def shared_of(line: str) -> tuple[Patterns, bytes]:
    """Undo ``shared_line``."""
    streams, _, body = line.partition("\n")
    return Patterns(json.loads(streams)), body.encode()


def alone_line(stream: str, body: str) -> str:
    """A push to one page."""
    return f"{json.dumps(stream)}\n{body}"


def alone_of(line: str) -> tuple[str, bytes]:
    """Undo ``alone_line``."""
    stream, _, body = line.partition("\n")
    return json.loads(stream), body.encode()
