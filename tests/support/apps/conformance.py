"""The application that real clients are let loose on: a channel for everything a client may meet.

Who you are comes from `?user=` or, after `/login`, from the session. `/stats/<user>` tells what the server
saw of that user, so that every scenario takes a name of its own. One process only: the tallies are its own.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from flask import Flask, request, session
from flask.typing import ResponseReturnValue

from flask_cable import Cable, Channel, Connection, after_unsubscribe, before_command

cable = Cable()
seen: defaultdict[str, Counter[str]] = defaultdict(Counter)


@cable.connection
class AppConnection(Connection):
    """A peer with a name; `?guest=` asks without one, and is refused."""

    identified_by = ("current_user",)

    def connect(self) -> None:
        name = request.args.get("user") or session.get("user")
        self.data["name"] = name or request.args.get("guest")
        self._tally("connects")
        self.current_user = name or self.reject_unauthorized_connection()

    def disconnected(self) -> None:
        self._tally("disconnects")

    @before_command
    def commanded(self) -> None:
        self._tally("commands")

    def _tally(self, what: str) -> None:
        seen[self.data["name"]][what] += 1


class CountedChannel(Channel):
    """What all channels here share: they count who comes and goes."""

    def subscribed(self) -> None:
        self._tally("subscribed")

    @after_unsubscribe
    def left(self) -> None:
        self._tally("unsubscribed")

    def _tally(self, what: str) -> None:
        seen[self.current_user][f"{type(self).__name__} {what}"] += 1


@cable.channel
class ChatChannel(CountedChannel):
    """A room: what one says, all hear."""

    def subscribed(self) -> None:
        super().subscribed()
        self.stream_from(self.room)

    @property
    def room(self) -> str:
        """The stream of the room that the peer asked for."""
        return f"chat:{self.params['room']}"

    def speak(self, data: dict[str, Any]) -> None:
        self.broadcast_to(self.room, {"from": self.current_user, "text": data["text"]})


@cable.channel
class EchoChannel(CountedChannel):
    """Answers only to the one who asks."""

    def echo(self, data: dict[str, Any]) -> None:
        self.transmit(data["value"])

    def count(self, data: dict[str, Any]) -> None:
        """Say the numbers below `data["to"]`, as fast as they come."""
        for number in range(data["to"]):
            self.transmit({"number": number})

    def receive(self, data: dict[str, Any]) -> None:
        """Take what names no action."""
        self.transmit({"received": data})


@cable.channel
class AskChannel(CountedChannel):
    """Its actions return something, to clients that wait for it."""

    def add(self, data: dict[str, Any]) -> dict[str, int]:
        return {"sum": sum(data["numbers"])}

    def nothing(self) -> None:
        pass

    def receive(self, data: dict[str, Any]) -> dict[str, Any]:
        """Return what names no action."""
        return data

    def fail(self) -> None:
        raise RuntimeError("broken on purpose")


@cable.channel
class RefusingChannel(CountedChannel):
    """Lets nobody in, politely."""

    def subscribed(self) -> None:
        super().subscribed()
        self.transmit({"sorry": True})
        self.reject()


@cable.channel
class BrokenChannel(CountedChannel):
    """Fails at the door."""

    def subscribed(self) -> None:
        super().subscribed()
        self.stream_from("broken")
        raise RuntimeError("broken on purpose")


def create_app() -> Flask:
    """Return the application; `FLASK_CABLE_...` in the environment sets `CABLE_...` keys."""
    app = Flask(__name__)
    app.config["SECRET_KEY"] = "conformance"
    app.config.from_prefixed_env()
    app.add_url_rule("/", view_func=home)
    app.add_url_rule("/login", view_func=login, methods=["POST"])
    app.add_url_rule("/stats/<user>", view_func=stats)
    app.add_url_rule("/broadcast", view_func=broadcast, methods=["POST"])
    app.add_url_rule("/sign/<stream>", view_func=sign)
    app.add_url_rule("/restart", view_func=restart, methods=["POST"])
    app.add_url_rule("/disconnect", view_func=disconnect, methods=["POST"])
    cable.init_app(app)
    return app


def home() -> ResponseReturnValue:
    """Say that the server is there."""
    return "ready"


def login() -> ResponseReturnValue:
    """Remember the name in the session."""
    session["user"] = request.get_json()["user"]
    return "", 204


def stats(user: str) -> ResponseReturnValue:
    """Tell what the server saw of one user."""
    return dict(seen[user])


def broadcast() -> ResponseReturnValue:
    """Broadcast each of `messages` to `stream`, in order."""
    body = request.get_json()
    for message in body["messages"]:
        cable.broadcast(body["stream"], message)
    return "", 204


def sign(stream: str) -> ResponseReturnValue:
    """Sign a stream's name."""
    return {"name": cable.signed_stream_name(stream)}


def restart() -> ResponseReturnValue:
    """Send everybody away, to come back at once."""
    cable.restart()
    return "", 204


def disconnect() -> ResponseReturnValue:
    """Send one user away."""
    body = request.get_json()
    cable.remote_connections.where(current_user=body["user"]).disconnect(reconnect=body["reconnect"])
    return "", 204
