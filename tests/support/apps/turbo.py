"""A board of notes and cards that are SQLAlchemy models, on a page with turbo-rails' own JavaScript.

`?hear=` on the page names a stream by a signed name of the test's own choice. The database is in
memory, unless `FLASK_SQLALCHEMY_DATABASE_URI` says otherwise.
"""

from __future__ import annotations

from typing import Any

from flask import Flask, render_template_string, request, send_file
from flask.typing import ResponseReturnValue
from flask_sqlalchemy import SQLAlchemy
from markupsafe import Markup
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from flask_cable import Broadcastable, Cable
from flask_cable.turbo import can_turbo_stream, turbo_stream, turbo_stream_response
from support.parts import NODE_MODULES

TURBO = NODE_MODULES / "@hotwired/turbo-rails/app/assets/javascripts/turbo.js"

PAGE = """<!doctype html>
<html>
<head>
  <title>Board</title>
  <meta name="turbo-refresh-method" content="morph">
  {{ cable_meta_tag() }}
  <script type="module">
    import "/turbo.js"
    window.heard = []
    addEventListener("turbo:before-stream-render", ({ detail }) => heard.push(detail.newStream.outerHTML))
    Turbo.StreamActions.set_title = function () { document.title = this.getAttribute("title") }
  </script>
  {{ turbo_stream_from("board") }}
  {{ turbo_stream_from("pages", id="pages") }}
  {% if hear %}
  <turbo-cable-stream-source id="other" channel="{{ channel }}" signed-stream-name="{{ hear }}">
  </turbo-cable-stream-source>
  {% endif %}
</head>
<body>
  <h1>{{ title.text }}</h1>
  <ul id="notes">{% for note in notes %}{{ note.broadcast_content() }}{% endfor %}</ul>
  <ol id="cards">{% for card in cards %}{{ card.broadcast_content() }}{% endfor %}</ol>
  <p id="secret">nothing</p>
  <form id="form" method="post" action="/form"><input name="text"><button>Add</button></form>
</body>
</html>"""

db = SQLAlchemy(model_class=type("Base", (DeclarativeBase,), {}))
cable = Cable()
loads: dict[str, int] = {}


class Note(Broadcastable, db.Model):
    """Appended, replaced, removed."""

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]
    broadcasts_to = "board"

    def broadcast_content(self) -> Markup:
        return Markup('<li id="note_{}" class="note">{}</li>').format(self.id, self.text)


class Card(Broadcastable, db.Model):
    """Prepended, and morphed."""

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]
    broadcasts_to = "board"
    broadcast_inserts_by = "prepend"
    broadcast_method = "morph"

    def broadcast_content(self) -> Markup:
        return Markup('<li id="card_{}" class="card"><b>{}</b><input></li>').format(self.id, self.text)


class Title(Broadcastable, db.Model):
    """Its pages load themselves again."""

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]
    broadcasts_refreshes_to = "pages"


def create_app() -> Flask:
    """Return the application; `FLASK_CABLE_...` in the environment sets `CABLE_...` keys."""
    app = Flask(__name__)
    app.config.update(SECRET_KEY="conformance", SQLALCHEMY_DATABASE_URI="sqlite://")
    app.config.from_prefixed_env()
    db.init_app(app)
    cable.init_app(app)
    app.add_url_rule("/", view_func=page)
    app.add_url_rule("/turbo.js", "script", lambda: send_file(TURBO, mimetype="text/javascript"))
    app.add_url_rule("/do", view_func=do, methods=["POST"])
    app.add_url_rule("/form", view_func=form, methods=["POST"])
    app.add_url_rule("/loads", "loads", lambda: loads)
    app.add_url_rule("/sign/<name>", "sign", lambda name: cable.signed_stream_name(name))
    with app.app_context():
        db.create_all()
        if db.session.get(Title, 1) is None:
            db.session.add(Title(id=1, text="Board"))
            with Title.suppressing_broadcasts():
                db.session.commit()
    return app


def page() -> ResponseReturnValue:
    """Show everything there is."""
    who = request.args.get("who", "")
    loads[who] = loads.get(who, 0) + 1
    return render_template_string(
        PAGE,
        title=db.session.get(Title, 1),
        notes=db.session.scalars(db.select(Note).order_by(Note.id)),
        cards=db.session.scalars(db.select(Card).order_by(Card.id.desc())),
        hear=request.args.get("hear"),
        channel=request.args.get("channel", "Turbo::StreamsChannel"),
    )


def do() -> ResponseReturnValue:
    """Do what the test says, in one request: `[["add", "Note", 1, "text"], ["commit"], ...]`."""
    for name, *args in request.get_json():
        DEEDS[name](*args)
    return "", 204


def form() -> ResponseReturnValue:
    """Answer a form with Turbo Streams: for whoever sent it, and nobody else."""
    if not can_turbo_stream():
        return "this needs Turbo", 406
    return turbo_stream_response(
        turbo_stream.update("secret", request.form["text"]), turbo_stream.action("set_title", title="Sent")
    )


def add(kind: str, id: int, text: str) -> None:
    db.session.add(KINDS[kind](id=id, text=text))


def change(kind: str, id: int, text: str) -> None:
    _found(kind, id).text = text


def delete(kind: str, id: int) -> None:
    db.session.delete(_found(kind, id))


def change_title(text: str) -> None:
    change("Title", 1, text)
    db.session.commit()


def _found(kind: str, id: int) -> Any:
    return db.session.get(KINDS[kind], id)


KINDS: dict[str, Any] = {"Note": Note, "Card": Card, "Title": Title}
DEEDS: dict[str, Any] = {
    "add": add,
    "change": change,
    "delete": delete,
    "change_title": change_title,
    "set_title": lambda title: cable.broadcast("board", turbo_stream.action("set_title", title=title)),
    "reveal": lambda stream, text: cable.broadcast(stream, turbo_stream.update("secret", text)),
    "flush": lambda: db.session.flush(),
    "commit": lambda: db.session.commit(),
    "rollback": lambda: db.session.rollback(),
}
