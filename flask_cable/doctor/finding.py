"""What a check of the doctor says. Every check makes one; ``cli.py`` prints it."""

from __future__ import annotations

from typing import Literal, NamedTuple

Level = Literal["ok", "info", "warn", "fail"]


class Finding(NamedTuple):
    """What one check saw.

    Attributes:
        level: ``fail`` will not work, ``warn`` works until it does not, ``info`` is for the reader to judge.
        name: what was looked at.
        seen: what is the case.
        remedy: what to do about it; empty when there is nothing to do.
    """

    level: Level
    name: str
    seen: str
    remedy: str = ""
