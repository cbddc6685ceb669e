"""Robots: programs that talk in a room, over a bare WebSocket. What one sends is said; what is said it hears.

    /robots/lobby/clock    with the cookie of its keeper, who has signed in

A name is one robot's in its room, whichever worker serves it.
"""

from __future__ import annotations

from typing import Any

from flask_cable import Behaviour, Close, NameTaken, Text

from .channels import TEXT_LENGTH, cable, said, say
from .names import clean_name, is_room

TAKEN, TOO_LONG = 4009, 4013


@cable.behaviour("/robots/<room>/<name>", max_frame_bytes=4 * TEXT_LENGTH)
class Robot(Behaviour):
    """A state is the room that the robot is in, and what it is called there."""

    def connect(self, request: Any, room: str, name: str) -> Any:
        """Strangers were refused by `AppConnection`."""
        if not is_room(room) or clean_name(name) != name:
            return "There is no such room, or that is no name.", 404
        return None

    def init(self, connection: Any) -> Any:
        room, name = (connection.request.view_args[part] for part in ("room", "name"))
        try:
            cable.unique.register(name, connection, scope=f"robots:{room}")
        except NameTaken:
            return None, [Close(TAKEN, "a robot of that name is in this room already")]
        connection.stream_from(f"chat:{room}")
        return (room, f"{name}, {connection.data['name']}'s robot"), []

    def handle_client_message(self, state: Any, connection: Any, frame: Any) -> Any:
        room, name = state
        text = frame.data.strip() if isinstance(frame, Text) else ""
        if len(text) > TEXT_LENGTH:
            return state, [Close(TOO_LONG, f"at most {TEXT_LENGTH} characters, please")]
        if text:
            say(room, said(connection.current_user, name, text), exclude=connection)
        return state, []
