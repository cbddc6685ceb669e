"""The live half of the chat: who may connect, what is said, who is here, what time it is.

No table says who is in a room, so nothing goes stale and any number of workers can serve it. Every open page
has a seat; a seat tells its room when it is taken and left, and answers a roll call. The pages keep the list.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timezone
from typing import Any

from flask import session

from flask_cable import Cable, Channel, Connection, JsonCoder, periodically

from .names import is_room

TEXT_LENGTH = 500
SECONDS_BETWEEN_SIGNS = 30

cable = Cable()


def now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


def said(user: str, name: str, text: str) -> dict[str, str]:
    """What a room hears of what somebody says."""
    return {
        "type": "message",
        "id": secrets.token_hex(8),
        "user": user,
        "from": name,
        "text": text,
        "at": now(),
    }


def say(room: str, message: dict[str, str], exclude: Connection | None = None) -> None:
    """Tell a room, and the dashboards that look at it."""
    cable.broadcast(f"chat:{room}", message, exclude=exclude)
    cable.push({"from": message["from"], "text": message["text"]}, talk_of(room))


def talk_of(room: str) -> str:
    """The stream on which dashboards hear a room."""
    return f"talk:{room}"


@cable.connection
class AppConnection(Connection):
    """Somebody who has signed in. Two tabs of one browser are one user with two connections."""

    identified_by = ("current_user",)

    def connect(self) -> None:
        if "user" not in session:
            self.reject_unauthorized_connection()
        self.current_user = session["user"]
        self.data["name"] = session["name"]


@cable.channel
class ChatChannel(Channel):
    """One page's seat in one room."""

    def subscribed(self) -> None:
        room = self.params.get("room")
        if not is_room(room):
            return self.reject()
        self.room = room
        self.seat = secrets.token_hex(8)
        self.stream_from(f"chat:{room}")
        self.stream_from(f"people:{room}", callback=self._hear_people, coder=JsonCoder())
        self.stream_from(f"seat:{self.seat}")
        self._tell_people("join")

    def unsubscribed(self) -> None:
        self._tell_people("leave")

    def speak(self, data: dict[str, Any]) -> str | None:
        """Say something to the room. The page awaits the reply: why not, where it was not said."""
        text = data.get("text")
        text = text.strip() if isinstance(text, str) else ""
        if not text:
            return "Write something first."
        if len(text) > TEXT_LENGTH:
            return f"At most {TEXT_LENGTH} characters, please."
        say(self.room, said(self.current_user, self._name, text))
        return None

    def roll_call(self) -> None:
        """Ask every seat in the room to answer to this one.

        A page asks once it is confirmed: only then are its streams certain to be live in every process.
        """
        self._tell_people("roll_call")

    @periodically(every=SECONDS_BETWEEN_SIGNS)
    def still_here(self) -> None:
        """A seat whose process was killed never says `leave`; pages drop it when these signs stop."""
        self._tell_people("here")

    def _hear_people(self, news: dict[str, Any]) -> None:
        if news["type"] == "roll_call":
            self.broadcast_to(f"seat:{news['seat']}", self._news("here"))
        else:
            self.transmit(news)

    def _tell_people(self, what: str) -> None:
        self.broadcast_to(f"people:{self.room}", self._news(what))

    def _news(self, what: str) -> dict[str, str]:
        return {"type": what, "seat": self.seat, "user": self.current_user, "name": self._name}

    @property
    def _name(self) -> str:
        return str(self.connection.data["name"])


@cable.channel
class ClockChannel(Channel):
    """The server's time, once a second."""

    def subscribed(self) -> None:
        self.tick()

    @periodically(every=1)
    def tick(self) -> None:
        self.transmit({"time": now()})
