"""The dashboard: which rooms are talking, and how many pages look. Its socket needs no class of its own.

The route says what its page hears, and what happens is pushed there from wherever it happens. The page
switches rooms off and on by calling a route over its socket.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, render_template, request
from flask.typing import ResponseReturnValue

from flask_cable import Connection, socket

from .channels import cable, talk_of
from .pages import ROOMS, check_form_token, signed_in_only

LOOKING = "looking"

dashboard = Blueprint("dashboard", __name__)


@dashboard.get("/dashboard")
@signed_in_only
def show() -> str:
    socket.subscribe(LOOKING, [talk_of(room) for room in ROOMS])
    return render_template("dashboard.html", rooms=ROOMS)


@dashboard.post("/dashboard/<room>")
@signed_in_only
def switch(room: str) -> ResponseReturnValue:
    """Let the page that calls hear a room, or hear it no more."""
    check_form_token()
    if room not in ROOMS:
        abort(404)
    change = socket.subscribe if request.form.get("on") == "true" else socket.unsubscribe
    change(talk_of(room))
    return "", 204


@cable.on("join")
def joined(connection: Connection) -> None:
    cable.group.join(LOOKING, connection)
    tell_how_many()


@cable.on("leave")
def left(connection: Connection) -> None:
    tell_how_many()


def tell_how_many() -> None:
    cable.push({"count": cable.group.members(LOOKING)}, LOOKING)


@cable.handler("wave")
def wave(message: dict[str, Any], session: Any, response: dict[str, Any]) -> None:
    cable.push({"waves": session["name"]}, LOOKING)
