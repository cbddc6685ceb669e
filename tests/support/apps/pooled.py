"""The application whose database has five connections and no more; POOLED_DATABASE names its file.

It counts application contexts: how many there have been for commands, and how many are pending.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from typing import Any

from flask import (
    Flask,
    appcontext_popped,
    appcontext_pushed,
    current_app,
    g,
    has_app_context,
    has_request_context,
)
from flask.typing import ResponseReturnValue
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import select
from sqlalchemy.orm import Mapped, mapped_column

from flask_cable import Cable, Channel, Connection, periodically
from support.apps.insight import insight

cable = Cable()
db = SQLAlchemy()
counted: Counter[str] = Counter()


class Person(db.Model):
    """Somebody who is in the database."""

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


@cable.connection
class AppConnection(Connection):
    """A peer is who the database says."""

    identified_by = ("name",)

    def connect(self) -> None:
        self.name = ask()


@cable.channel
class PeopleChannel(Channel):
    """Asks the database at every turn."""

    def subscribed(self) -> None:
        self.transmit({"subscribed": ask()})
        self.stream_from("people", callback=self.heard)

    def look(self) -> None:
        self.transmit({"looked": ask()})

    def fail(self) -> None:
        ask()
        raise RuntimeError("failed on purpose")

    def heard(self, text: str) -> None:
        self.transmit({"heard": ask(), "fresh": is_fresh()})

    def unsubscribed(self) -> None:
        ask()


@cable.channel
class TickingChannel(Channel):
    """Asks the database by the clock."""

    @periodically(every=0.05)
    def tick(self) -> None:
        self.transmit({"ticked": ask(), "fresh": is_fresh()})


def ask() -> str:
    """Return the name in the database; the session that this opens is closed by the context's teardown."""
    name: str = db.session.scalars(select(Person.name)).one()
    return name


def is_fresh() -> bool:
    """Say whether this is the first look at the application context's `g`."""
    fresh = "looked_at" not in g
    g.looked_at = True
    return fresh


def create_app() -> Flask:
    """Return the application, with one person in its database."""
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY="pooled",
        SQLALCHEMY_DATABASE_URI=f"sqlite:///{os.environ['POOLED_DATABASE']}",
        SQLALCHEMY_ENGINE_OPTIONS={"pool_size": 5, "max_overflow": 0, "pool_timeout": 10},
    )
    app.add_url_rule("/", view_func=person)
    app.add_url_rule("/stats", view_func=stats)
    app.add_url_rule("/probes", view_func=probes)
    app.add_url_rule("/people", view_func=broadcast, methods=["POST"])
    app.before_request(mark)
    app.teardown_appcontext(count_teardown)
    db.init_app(app)
    cable.init_app(app)
    appcontext_pushed.connect(count_pushed, app)
    appcontext_popped.connect(count_popped, app)
    with app.app_context():
        db.create_all()
        db.session.add(Person(name="Ada"))
        db.session.commit()
    counted.clear()
    return app


def mark() -> None:
    """Tell a request's context from a command's."""
    g.of_a_request = True


def count_teardown(error: BaseException | None) -> None:
    """Count the teardowns of contexts that no request made."""
    if "of_a_request" not in g:
        counted["teardowns"] += 1


def count_pushed(app: Flask) -> None:
    """Count a context that begins."""
    counted["pending"] += 1


def count_popped(app: Flask) -> None:
    """Count a context that is over."""
    counted["pending"] -= 1


def person() -> ResponseReturnValue:
    """Answer with what the database says."""
    return ask()


def stats() -> ResponseReturnValue:
    """Tell what is pending; the context of this very request is left out."""
    pool: Any = db.engine.pool
    return {
        **insight(cable),
        "pool": [type(pool).__name__, pool.size()],
        "checked_out": pool.checkedout(),
        "teardowns": counted["teardowns"],
        "pending": counted["pending"] - 1,
    }


def probes() -> ResponseReturnValue:
    """Look for a context of Flask's where nobody works: in the loop that watches sockets, and in a worker."""
    executor = current_app.extensions["cable"].runtime().executor
    return {"home": probe(executor.call_home, executor), "worker": probe(executor.submit, executor)}


def probe(run: Callable[[Callable[[], None]], None], executor: Any) -> list[bool]:
    """Say whether there is an application context, and a request context, where `run` runs things."""
    found: list[bool] = []
    done = executor.event()

    def look() -> None:
        found.extend((has_app_context(), has_request_context()))
        done.set()

    run(look)
    done.wait(10)
    return found


def broadcast() -> ResponseReturnValue:
    """Tell everybody who hears."""
    cable.broadcast("people", "look!")
    return "", 204
