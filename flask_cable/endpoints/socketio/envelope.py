"""What the processes of a cluster tell each other about sockets, and on which streams.

JSON, and perhaps an encoded event: ``{"n": node, "to": [...], "not": [...]} RS 42["joined",7] RS bAQID``,
where RS is Engine.IO's separator.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from ...protocols.engineio import SEPARATOR, part_of, split_payload
from ...protocols.frames import BINARY, VOLATILE, Burst, Frame
from .target import Target

PARTS = 10_000
"""Packets that a message may hold; how many attachments an event may have is its sender's to say."""


_SID = re.compile(r"[A-Za-z0-9_-]{24}\Z")


def is_sid(name: str) -> bool:
    """Whether a room may be a socket's own, for which no stream is opened."""
    return _SID.match(name) is not None


def addressed(path: str, namespace: str, target: Target) -> tuple[str, dict[str, Any]]:
    """The stream on which an event reaches those who are meant, and what it says beside."""
    if len(target.rooms) == 1 and not target.without and not is_sid(target.rooms[0]):
        return stream_of(path, namespace, target.rooms[0]), {}
    return stream_of(path, namespace), target.fields()


def stream_of(path: str, namespace: str, room: str | None = None) -> str:
    """The stream of a room, or of a whole namespace; no two have the same, for none of these has a comma."""
    return f"{path}:{namespace}" if room is None else f"{path}:{namespace},{room}"


class Kept(Burst):
    """An event that is kept for those who are away, and has its place in the log for an argument."""

    __slots__ = ("offset",)

    def __init__(self, parts: tuple[Frame, ...], offset: int) -> None:
        super().__init__(parts)
        self.offset = offset


def sealed(fields: Mapping[str, Any], frame: Frame | None = None) -> str:
    """One message to other processes."""
    text = json.dumps(fields, separators=(",", ":"))
    if frame is None:
        return text
    more = {}
    if frame.lane is not None:
        more["v"] = 1
    if isinstance(frame, Kept):
        more["o"] = frame.offset
    head = json.dumps({**fields, **more}, separators=(",", ":")) if more else text
    return f"{head}{SEPARATOR}{part_of(frame).decode()}"


def opened(text: str) -> tuple[dict[str, Any], str]:
    """A message's fields, and the payload beside them. Raises ``ValueError``."""
    head, _, payload = text.partition(SEPARATOR)
    fields = json.loads(head)
    if not isinstance(fields, dict):
        raise ValueError(f"no object: {head[:40]}")
    return fields, payload


def frame_of(fields: Mapping[str, Any], payload: str) -> Frame:
    """The event that a message carries. Raises ``MalformedMessage``."""
    lane = VOLATILE if fields.get("v") else None
    offset = fields.get("o")
    if offset is None and SEPARATOR not in payload:
        return Frame(payload.encode(), lane=lane)
    parts = tuple(
        Frame(part.encode()) if isinstance(part, str) else Frame(part, BINARY)
        for part in split_payload(payload.encode(), PARTS)
    )
    return Kept(parts, offset) if offset is not None else Burst(parts, lane)
