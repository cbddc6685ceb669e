"""What a person and a room may be called; pages and channels ask here."""

from __future__ import annotations

import re
from typing import Any

NAME_LENGTH = 24
ROOM_LENGTH = 32
ROOM = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
NAME = re.compile(r"\w(?:[\w .'-]*[\w.])?")


def clean_name(text: str) -> str | None:
    """Return the name with single spaces, or None when it is no name."""
    name = " ".join(text.split())
    return name if len(name) <= NAME_LENGTH and NAME.fullmatch(name) else None


def is_room(room: Any) -> bool:
    """Tell whether a peer's word for a room, which may be any JSON value, is one."""
    return isinstance(room, str) and len(room) <= ROOM_LENGTH and ROOM.fullmatch(room) is not None
