"""The notice board: notes in a database, and in every open page as soon as they are committed.

The model says which stream hears of it, and the page which stream it hears; forms answer with Turbo Streams
where the page has Turbo, and with a redirect where it has not. Who is writing just now is in no database: it
goes over a raw socket.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from typing import Any

from flask import Blueprint, Flask, g, redirect, render_template, request, session, url_for
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from werkzeug.wrappers import Response as AnyResponse

from flask_cable import Broadcastable, Connection
from flask_cable.turbo import can_turbo_stream, turbo_stream, turbo_stream_response

from .channels import cable
from .pages import check_form_token, signed_in_only
from .vendor import turbo_script

NOTE_LENGTH = 200
NOTES = 50  # the oldest go


class Base(DeclarativeBase):
    """What all tables here have in common."""


db = SQLAlchemy(model_class=Base)
board = Blueprint("board", __name__)
writers = cable.websocket(
    "/board/writers", serializer="json", blueprint=board, endpoint="writers", max_message_bytes=10
)


class Note(Broadcastable, db.Model):
    """One note, shown by `_note.html`; appended, changed and removed in the element `notes`."""

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]
    author: Mapped[str]
    is_done: Mapped[bool] = mapped_column(default=False)

    broadcasts_to = "board"
    broadcast_method = "morph"


def init_app(app: Flask) -> None:
    """Open the database, and make what is not in it yet."""
    app.config.setdefault("SQLALCHEMY_DATABASE_URI", "sqlite:///board.db")
    db.init_app(app)
    with app.app_context(), suppress(OperationalError):  # another worker was first
        db.create_all()
    app.register_blueprint(board)


@board.get("/board")
@signed_in_only
def show() -> str:
    return page()


@board.post("/board")
@signed_in_only
def add() -> AnyResponse | tuple[str, int]:
    check_form_token()
    text = " ".join(request.form.get("text", "").split())
    if not 0 < len(text) <= NOTE_LENGTH:
        return refused(text, f"Write 1 to {NOTE_LENGTH} characters.")
    db.session.add(Note(text=text, author=session["name"]))
    for note in db.session.scalars(db.select(Note).order_by(Note.id.desc()).offset(NOTES)):
        db.session.delete(note)
    db.session.commit()
    return done(turbo_stream.replace("composer", template="_composer.html", text="", error=None))


@board.post("/board/<int:number>/done")
@signed_in_only
def toggle(number: int) -> AnyResponse:
    check_form_token()
    note = db.get_or_404(Note, number)
    note.is_done = not note.is_done
    db.session.commit()
    return done()


@board.post("/board/<int:number>/remove")
@signed_in_only
def remove(number: int) -> AnyResponse:
    check_form_token()
    note = db.session.get(Note, number)
    if note is not None:  # else somebody else was first
        db.session.delete(note)
        db.session.commit()
    return done()


@writers.on("open")
def came(connection: Connection, environ: dict[str, Any]) -> None:
    connection.stream_from("writers")


@writers.on("message")
def writes(connection: Connection, message: Any) -> None:
    """Somebody types, whatever it will be: all others are told who."""
    if message is True:
        cable.broadcast("writers", connection.session["name"], exclude=connection)


def page(text: str = "", error: str | None = None) -> str:
    """The board; Turbo's styles need the nonce, which `add_security_headers` allows."""
    g.style_nonce = secrets.token_hex(16)
    notes = db.session.scalars(db.select(Note).order_by(Note.id))
    return render_template("board.html", notes=notes, text=text, error=error, has_turbo=turbo_script())


def refused(text: str, error: str) -> AnyResponse | tuple[str, int]:
    """Show the form again, with what was wrong."""
    if not can_turbo_stream():
        return page(text, error), 422
    form = turbo_stream.replace("composer", template="_composer.html", text=text, error=error)
    return turbo_stream_response(form, status=422)


def done(*elements: str) -> AnyResponse:
    """Answer a form; what was committed reaches this page, too, the way that it reaches all."""
    if can_turbo_stream():
        return turbo_stream_response(*elements)
    return redirect(url_for("board.show"), 303)


@board.app_context_processor
def template_names() -> dict[str, int]:
    return {"note_length": NOTE_LENGTH}
