"""The chat's pages: sign in and out, the list of rooms, one room. Talking happens in `channels`."""

from __future__ import annotations

import functools
import hmac
import secrets
from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, abort, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response as AnyResponse

from .channels import TEXT_LENGTH, cable
from .names import NAME_LENGTH, ROOM_LENGTH, clean_name, is_room

ROOMS = {
    "lobby": "Where everybody starts",
    "python": "Snakes, decorators and other wonders",
    "kitchen": "What is for lunch?",
    "help": "Ask, and answer somebody else",
}

pages = Blueprint("pages", __name__)


def signed_in_only(view: Callable[..., Any]) -> Callable[..., Any]:
    """Send the unnamed to the sign-in page, and back to the room they wanted."""

    @functools.wraps(view)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if "user" in session:
            return view(*args, **kwargs)
        return redirect(url_for("pages.sign_in", room=kwargs.get("room")))

    return wrapped


@pages.get("/")
def home() -> AnyResponse:
    return redirect(url_for("pages.rooms"))


@pages.get("/login")
def sign_in() -> str | AnyResponse:
    if "user" in session:
        return redirect(url_for("pages.rooms"))
    return render_template("login.html", room=request.args.get("room", ""), name="", error=None)


@pages.post("/login")
def signed_in() -> AnyResponse | tuple[str, int]:
    check_form_token()
    typed, room = request.form.get("name", ""), request.form.get("room", "")
    name = clean_name(typed)
    if name is None:
        error = f"Choose a name of 1 to {NAME_LENGTH} letters, digits, spaces, dots, dashes or apostrophes."
        return render_template("login.html", room=room, name=typed[:NAME_LENGTH], error=error), 400
    forget_user()
    session.update(user=secrets.token_hex(8), name=name)
    return redirect(url_for("pages.room", room=room) if is_room(room) else url_for("pages.rooms"))


@pages.post("/logout")
def sign_out() -> AnyResponse:
    if "user" in session:  # else another tab was first
        check_form_token()
        forget_user()
    return redirect(url_for("pages.sign_in"))


def forget_user() -> None:
    """Empty the session and close the user's sockets in every tab and worker, for good."""
    user = session.get("user")
    session.clear()
    if user is not None:
        cable.remote_connections.where(current_user=user).disconnect(reconnect=False)


@pages.get("/rooms")
@signed_in_only
def rooms() -> str | AnyResponse | tuple[str, int]:
    """List the rooms; `?room=` is the form for any other one."""
    wanted = "-".join(request.args.get("room", "").lower().split())
    if is_room(wanted):
        return redirect(url_for("pages.room", room=wanted))
    error = "Use letters a to z, digits and single dashes." if wanted else None
    page = render_template("rooms.html", rooms=ROOMS, room_length=ROOM_LENGTH, wanted=wanted, error=error)
    return (page, 400) if error else page


@pages.get("/rooms/<room>")
@signed_in_only
def room(room: str) -> str:
    if not is_room(room):
        abort(404, "A room's name is made of letters a to z, digits and single dashes.")
    return render_template("room.html", room=room, rooms=ROOMS, text_length=TEXT_LENGTH)


@pages.errorhandler(400)
@pages.errorhandler(404)
def explain(error: Any) -> tuple[str, int]:
    return render_template("error.html", error=error), error.code


@pages.after_request
def keep_out_of_caches(response: Response) -> Response:
    """Going back after signing out must not show a page of the one who left."""
    response.headers["Cache-Control"] = "no-store"
    return response


@pages.app_context_processor
def template_names() -> dict[str, Any]:
    return {"form_token": form_token, "name_length": NAME_LENGTH}


def form_token() -> str:
    """The session's secret word, which only our own forms can repeat."""
    return str(session.setdefault("form_token", secrets.token_hex(16)))


def check_form_token() -> None:
    sent = request.form.get("form_token", "")
    if not hmac.compare_digest(sent.encode(), form_token().encode()):
        abort(400, "This form has expired. Load the page again and repeat.")
