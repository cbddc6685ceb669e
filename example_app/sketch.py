"""A sketch that all draw on together. Its page speaks to a raw socket: a line is four numbers, and no more.

Nothing is kept: whoever comes later sees what is drawn from then on.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, render_template

from flask_cable import Connection

from .channels import cable
from .pages import signed_in_only

sketch = Blueprint("sketch", __name__)
lines = cable.websocket(
    "/sketch/lines", serializer="json", blueprint=sketch, endpoint="lines", max_message_bytes=200
)


@sketch.get("/sketch")
@signed_in_only
def show() -> str:
    return render_template("sketch.html")


@lines.on("open")
def opened(connection: Connection, environ: dict[str, Any]) -> None:
    connection.stream_from("sketch")


@lines.on("message")
def drawn(connection: Connection, line: Any) -> None:
    """Hand a line, or None for a clean sheet, to all others."""
    if line is None or is_line(line):
        cable.broadcast("sketch", line, exclude=connection)


def is_line(line: Any) -> bool:
    """Whether it is two points, x and y, in parts of the sheet."""
    return isinstance(line, list) and len(line) == 4 and all(_is_part(number) for number in line)


def _is_part(number: Any) -> bool:
    return isinstance(number, (int, float)) and not isinstance(number, bool) and 0 <= number <= 1
