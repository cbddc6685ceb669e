"""SQLAlchemy models: what is broadcast when, under every way that a transaction can go."""

# ruff: noqa: E402

from __future__ import annotations

import asyncio
import gc
import os
import re
import subprocess
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from support import programs
from support.backends import Backend
from support.parts import require

require("flask_sqlalchemy")

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import ForeignKey, create_engine, event, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    MappedAsDataclass,
    Session,
    mapped_column,
    relationship,
    scoped_session,
    sessionmaker,
)

from flask_cable import Broadcastable, Cable
from flask_cable.broadcasting import commits
from flask_cable.testing import CableClient


class Base(DeclarativeBase):
    pass


class Board(Base):
    __tablename__ = "board"
    id: Mapped[int] = mapped_column(primary_key=True)
    notes: Mapped[list[Note]] = relationship(back_populates="board", cascade="all, delete-orphan")


class Note(Broadcastable, Base):
    __tablename__ = "note"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(unique=True)
    board_id: Mapped[int] = mapped_column(ForeignKey("board.id"))
    board: Mapped[Board] = relationship(back_populates="notes")

    broadcasts_to = lambda self: self.board  # noqa: E731


class Sticker(Note):
    """Another row of the same table."""

    broadcast_template = "_sticker.html"


class Page(Broadcastable, Base):
    """Its pages load themselves again."""

    __tablename__ = "page"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    broadcasts_refreshes_to = "pages"


class Morphing(Broadcastable, Base):
    __tablename__ = "morphing"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]
    is_draft: Mapped[bool] = mapped_column(default=False)

    broadcast_method = "morph"
    broadcast_inserts_by = "prepend"
    broadcast_target = "top"

    def broadcasts_to(self) -> str | None:
        return None if self.is_draft else "morphings"

    def broadcast_content(self) -> str:
        return self.text


class Own(Broadcastable, Base):
    __tablename__ = "own"
    id: Mapped[int] = mapped_column(primary_key=True)

    def broadcasts_on(self, change: str) -> Any:
        return [("own", {"action": f"{change} {self.id}"})]


class Quiet(Broadcastable, Base):
    __tablename__ = "quiet"
    id: Mapped[int] = mapped_column(primary_key=True)


@pytest.fixture(scope="module")
def engine() -> Iterator[Any]:
    engine = create_engine("sqlite://")
    # https://docs.sqlalchemy.org/en/20/dialects/sqlite.html: savepoints, done by ourselves
    event.listen(engine, "connect", lambda dbapi, record: setattr(dbapi, "isolation_level", None))
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def session(engine: Any, client: CableClient) -> Iterator[Session]:
    with Session(engine) as session:
        yield session
    with Session(engine) as session, Broadcastable.suppressing_broadcasts():
        for table in reversed(Base.metadata.sorted_tables):
            session.execute(table.delete())
        session.commit()


@pytest.fixture
def board(session: Session) -> Board:
    board = Board(id=1)
    session.add(board)
    session.commit()
    return board


class Told:
    """What was broadcast to a board since the last look."""

    def __init__(self, client: CableClient, stream: Any) -> None:
        self.client = client
        self.stream = stream
        self.seen = 0

    def __call__(self) -> list[str]:
        found = self.client.broadcasts(self.stream)
        new, self.seen = found[self.seen :], len(found)
        return [" ".join(str(part) for part in message.values()) for message in new]


@pytest.fixture
def told(client: CableClient) -> Told:
    return Told(client, "Board:1")


def appended(number: int, text: str) -> str:
    return f'append <p id="note_{number}">{text}</p> notes'


def replaced(number: int, text: str) -> str:
    return f'replace <p id="note_{number}">{text}</p> note_{number}'


# A commit.


def test_nothing_is_said_before_the_commit(session: Session, board: Board, told: Told) -> None:
    session.add(Note(id=1, text="<a>", board=board))
    assert told() == []
    session.flush()
    assert told() == []
    session.commit()
    assert told() == [appended(1, "&lt;a&gt;")]


def test_an_update_and_a_deletion(session: Session, board: Board, told: Told) -> None:
    note = Note(id=1, text="a", board=board)
    session.add(note)
    session.commit()
    told()
    note.text = "b"
    session.flush()
    assert told() == []
    session.commit()
    assert told() == [replaced(1, "b")]
    session.delete(note)
    session.flush()
    assert told() == []
    session.commit()
    assert told() == ["remove note_1"]


def test_the_row_is_there_when_it_is_told(engine: Any, session: Session, board: Board, app: Flask) -> None:
    from flask_cable import signals

    seen: list[Any] = []

    def look(sender: Flask, stream: str, text: str) -> None:
        assert not session.in_transaction()
        seen.append(session.execute(select(Note.text)).scalars().all())

    with signals.broadcasting.connected_to(look, sender=app):
        session.add(Note(text="a", board=board))
        session.commit()
    assert seen == [["a"]]


def test_a_rollback_says_nothing(session: Session, board: Board, told: Told) -> None:
    note = Note(id=1, text="a", board=board)
    session.add(note)
    session.commit()
    told()
    note.text = "b"
    session.add(Note(text="c", board=board))
    session.flush()
    session.delete(note)
    session.flush()
    session.rollback()
    session.commit()
    assert told() == []
    note.text = "d"
    session.commit()
    assert told() == [replaced(1, "d")]


def test_nor_does_a_session_that_is_closed(engine: Any, board: Board, told: Told) -> None:
    with Session(engine) as other:
        other.add(Note(text="a", board_id=1))
        other.flush()
    assert told() == []


def test_nor_a_flush_that_fails(session: Session, board: Board, told: Told) -> None:
    session.add(Note(text="a", board=board))
    session.commit()
    told()
    session.add_all([Note(text="b", board=board), Note(text="a", board=board)])
    with pytest.raises(IntegrityError):
        session.commit()
    session.rollback()
    session.add(Note(id=5, text="c", board=board))
    session.commit()
    assert told() == [appended(5, "c")]


def test_nor_a_commit_that_fails(session: Session, board: Board, told: Told) -> None:
    def refuse(session: Session) -> None:
        raise LookupError("no")

    session.add(Note(text="a", board=board))
    event.listen(session, "before_commit", refuse)
    with pytest.raises(LookupError):
        session.commit()
    event.remove(session, "before_commit", refuse)
    session.rollback()
    assert told() == []


def test_nor_a_commit_that_the_database_refuses(board: Board, told: Told, app: Flask) -> None:
    """A constraint that is checked at the end, when everything has been shown."""

    class Deferred(DeclarativeBase):
        pass

    class Leaf(Broadcastable, Deferred):
        __tablename__ = "leaf"
        id: Mapped[int] = mapped_column(primary_key=True)
        parent: Mapped[int | None] = mapped_column(
            ForeignKey("leaf.id", deferrable=True, initially="DEFERRED")
        )
        broadcasts_to = "Board:1"

        def broadcast_content(self) -> str:
            return f"leaf {self.id}"

    engine = create_engine("sqlite://")
    event.listen(engine, "connect", lambda dbapi, record: dbapi.execute("PRAGMA foreign_keys = ON"))
    Deferred.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Leaf(id=1, parent=7))
        with pytest.raises(IntegrityError):
            session.commit()
        session.rollback()
        assert told() == []
        session.add(Leaf(id=2))
        session.commit()
    engine.dispose()
    assert told() == ["append leaf 2 leafs"]


def test_nor_an_update_that_changes_nothing(session: Session, board: Board, told: Told) -> None:
    note = Note(text="a", board=board)
    session.add(note)
    session.commit()
    told()
    assert note.text == "a"
    note.text = "b"
    note.text = "a"
    session.commit()
    session.refresh(board)
    board.notes.append(Note(id=9, text="z"))  # board is changed, this note is not
    session.commit()
    assert told() == [appended(9, "z")]


def test_of_each_record_the_net_change_of_the_transaction_is_told(
    session: Session, board: Board, told: Told
) -> None:
    note, gone = Note(id=1, text="a", board=board), Note(id=2, text="x", board=board)
    session.add_all([note, gone])
    session.flush()
    note.text = "b"
    session.flush()
    session.delete(gone)
    session.commit()
    assert told() == [appended(1, "b")]


def test_each_transaction_has_its_own(session: Session, board: Board, told: Told) -> None:
    for number in (1, 2, 3):
        session.add(Note(id=number, text=str(number), board=board))
        session.commit()
        assert told() == [appended(number, str(number))]
    assert commits.KEY not in session.info


def test_a_context_manager_commits_as_well(engine: Any, board: Board, told: Told) -> None:
    with sessionmaker(engine).begin() as session:
        session.add(Note(id=1, text="a", board_id=1))
    assert told() == [appended(1, "a")]
    with pytest.raises(IntegrityError), sessionmaker(engine).begin() as session:
        session.add_all([Note(text="b", board_id=1), Note(text="b", board_id=1)])
    assert told() == []


def test_many_in_one_flush(session: Session, board: Board, told: Told) -> None:
    session.add_all([Note(id=number, text=str(number), board=board) for number in range(1, 201)])
    session.commit()
    assert told() == [appended(number, str(number)) for number in range(1, 201)]


def test_past_the_limit_pages_are_refreshed(
    app: Flask, client: CableClient, session: Session, board: Board, told: Told
) -> None:
    app.config["CABLE_MODEL_BROADCASTS"] = 10
    for half in (0, 15):
        session.add_all([Note(id=half + n, text=str(half + n), board=board) for n in range(1, 16)])
        session.flush()
        assert sum(len(one.by_record) for one in session.info[commits.KEY]._open.values()) == 10
    session.commit()
    assert told() == [appended(number, str(number)) for number in range(1, 11)]
    client.advance_time(0.5)
    assert told() == ["refresh"]


# Savepoints.


def test_a_savepoint_that_is_rolled_back_is_not_told(session: Session, board: Board, told: Told) -> None:
    note = Note(id=1, text="a", board=board)
    session.add(note)
    savepoint = session.begin_nested()
    note.text = "changed"
    session.add(Note(id=2, text="b", board=board))
    session.flush()
    savepoint.rollback()
    session.commit()
    assert told() == [appended(1, "a")]


def test_one_that_is_released_is_told_with_the_transaction(
    session: Session, board: Board, told: Told
) -> None:
    with session.begin_nested():
        session.add(Note(id=1, text="a", board=board))
    assert told() == []
    session.commit()
    assert told() == [appended(1, "a")]


def test_one_that_is_released_inside_one_that_is_not(session: Session, board: Board, told: Told) -> None:
    session.add(Note(id=1, text="a", board=board))
    outer = session.begin_nested()
    with session.begin_nested():
        session.add(Note(id=2, text="b", board=board))
    outer.rollback()
    session.commit()
    assert told() == [appended(1, "a")]


def test_one_that_is_rolled_back_inside_one_that_is_not(session: Session, board: Board, told: Told) -> None:
    with session.begin_nested():
        session.add(Note(id=1, text="a", board=board))
        inner = session.begin_nested()
        session.add(Note(id=2, text="b", board=board))
        session.flush()
        inner.rollback()
        with session.begin_nested():
            session.add(Note(id=3, text="c", board=board))
    session.commit()
    assert told() == [appended(1, "a"), appended(3, "c")]


def test_a_deletion_in_a_savepoint(session: Session, board: Board, told: Told) -> None:
    note = Note(id=1, text="a", board=board)
    session.add(note)
    session.commit()
    told()
    savepoint = session.begin_nested()
    session.delete(note)
    session.flush()
    savepoint.rollback()
    session.commit()
    assert told() == []
    with session.begin_nested():
        session.delete(note)
    session.commit()
    assert told() == ["remove note_1"]


def test_a_failure_inside_a_savepoint_leaves_the_rest(session: Session, board: Board, told: Told) -> None:
    session.add(Note(id=1, text="a", board=board))
    session.flush()
    with pytest.raises(IntegrityError), session.begin_nested():
        session.add(Note(id=2, text="a", board=board))
    session.add(Note(id=3, text="c", board=board))
    session.commit()
    assert told() == [appended(1, "a"), appended(3, "c")]


def test_the_whole_is_rolled_back_with_its_savepoints(session: Session, board: Board, told: Told) -> None:
    with session.begin_nested():
        session.add(Note(text="a", board=board))
    session.rollback()
    session.commit()
    assert told() == []


def test_a_commit_releases_savepoints_that_are_open(session: Session, board: Board, told: Told) -> None:
    session.begin_nested()
    session.add(Note(id=1, text="a", board=board))
    session.begin_nested()
    session.add(Note(id=2, text="b", board=board))
    session.commit()
    assert told() == [appended(1, "a"), appended(2, "b")]


def test_even_when_the_transaction_itself_is_told_to_commit(
    session: Session, board: Board, told: Told
) -> None:
    session.rollback()
    transaction = session.begin()
    session.add(Note(id=1, text="a", board_id=1))
    session.flush()
    session.begin_nested()
    session.add(Note(id=2, text="b", board_id=1))
    transaction.commit()
    assert told() == [appended(1, "a"), appended(2, "b")]


def test_a_session_inside_of_anothers_transaction(engine: Any, board: Board, told: Told) -> None:
    """As tests do it: what the session commits is a savepoint of a connection that is rolled back."""
    with engine.connect() as connection:
        outer = connection.begin()
        with Session(connection, join_transaction_mode="create_savepoint") as session:
            session.add(Note(id=1, text="a", board_id=1))
            session.commit()
            assert told() == [appended(1, "a")]
        outer.rollback()


def test_a_session_of_each_thread(engine: Any, board: Board, told: Told) -> None:
    sessions = scoped_session(sessionmaker(engine, expire_on_commit=False))
    note = Note(id=1, text="a", board_id=1)
    sessions.add(note)
    sessions.commit()
    note.text = "b"
    sessions.commit()
    sessions.delete(note)
    sessions.flush()
    sessions.remove()
    assert told() == [appended(1, "a"), replaced(1, "b")]


def test_what_others_write_while_it_ends_is_told_as_it_is(
    engine: Any, session: Session, board: Board, told: Told
) -> None:
    """Somebody else's listener comes after ours: it changes a record, and adds one."""

    def stamp(session: Session) -> None:
        note = session.get_one(Note, 1)
        if note.text == "a":
            note.text = "a, stamped"
            session.add(Note(id=2, text="about it", board_id=1))

    event.listen(session, "before_commit", stamp)
    session.add(Note(id=1, text="a", board=board))
    session.commit()
    assert told() == [appended(1, "a, stamped"), appended(2, "about it")]
    assert not session.in_transaction()
    event.remove(session, "before_commit", stamp)


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """A database that several write to at a time."""
    with Backend("postgres") as backend:
        url = backend.url.replace("postgresql://", "postgresql+psycopg://")
        engine = create_engine(url)
        Base.metadata.create_all(engine)
        engine.dispose()
        yield url


@pytest.mark.needs("postgres", "psycopg")
def test_two_sessions_tell_what_each_has_committed(postgres: str, client: CableClient, told: Told) -> None:
    engine = create_engine(postgres)
    with Session(engine) as one, Session(engine) as other:
        one.add(Board(id=1))
        one.commit()
        one.add(Note(id=1, text="a", board_id=1))
        one.flush()
        other.add(Note(id=2, text="b", board_id=1))
        other.commit()
        assert told() == [appended(2, "b")]
        one.commit()
        assert told() == [appended(1, "a")]
        other.get_one(Note, 1).text = "never"
        other.flush()
        one.get_one(Note, 2).text = "c"
        one.commit()
        other.rollback()
        assert told() == [replaced(2, "c")]
    engine.dispose()


@pytest.mark.needs("postgres", "psycopg")
def test_a_session_that_is_awaited(postgres: str, client: CableClient) -> None:
    asyncio.run(write_morphings(postgres))
    assert client.broadcasts("morphings") == [
        {"action": "prepend", "target": "top", "content": "a"},
        {"action": "replace", "target": "morphing_1", "content": "b", "method": "morph"},
        {"action": "remove", "target": "morphing_1"},
    ]


async def write_morphings(url: str) -> None:
    engine = create_async_engine(url)
    async with AsyncSession(engine, expire_on_commit=False) as session:
        record = Morphing(text="a")
        session.add(record)
        await session.commit()
        record.text = "b"
        await session.commit()
        async with session.begin_nested() as savepoint:
            session.add(Morphing(text="never"))
            await session.flush()
            await savepoint.rollback()
        await session.delete(record)
        await session.commit()
        session.add(Morphing(text="never"))
        await session.flush()
        await session.rollback()
    await engine.dispose()


# Which records, and how they are shown.


def test_children_that_go_with_their_parent_are_told(session: Session, board: Board, told: Told) -> None:
    session.add_all([Note(id=number, text=str(number), board=board) for number in (1, 2)])
    session.commit()
    told()
    session.delete(board)
    session.commit()
    assert sorted(told()) == ["remove note_1", "remove note_2"]


def test_a_record_whose_values_were_not_loaded(
    engine: Any, session: Session, board: Board, told: Told
) -> None:
    session.add(Note(id=1, text="a", board=board))
    session.commit()
    told()
    with Session(engine) as other:
        note = other.get(Note, 1)
        assert note is not None
        other.expire(note)
        other.delete(note)
        other.commit()
    assert told() == ["remove note_1"]


def test_values_that_the_database_makes_are_shown(engine: Any, session: Session, client: CableClient) -> None:
    session.add(Morphing(text="a"))
    session.commit()
    assert client.broadcasts("morphings") == [{"action": "prepend", "target": "top", "content": "a"}]


def test_an_update_may_morph(session: Session, client: CableClient) -> None:
    record = Morphing(id=4, text="a")
    session.add(record)
    session.commit()
    record.text = "b"
    session.commit()
    assert client.broadcasts("morphings")[1:] == [
        {"action": "replace", "target": "morphing_4", "content": "b", "method": "morph"}
    ]


def test_a_method_may_leave_a_record_out(session: Session, client: CableClient) -> None:
    record = Morphing(text="a", is_draft=True)
    session.add(record)
    session.commit()
    assert client.broadcasts("morphings") == []
    record.is_draft = False
    session.commit()
    assert [message["action"] for message in client.broadcasts("morphings")] == ["replace"]


def test_a_model_may_say_itself_what_is_told(session: Session, client: CableClient) -> None:
    session.add(Own(id=1))
    session.commit()
    assert client.broadcasts("own") == [{"action": "created 1"}]


def test_refreshes_are_put_together(app: Flask, session: Session, client: CableClient) -> None:
    with app.test_request_context(headers={"X-Turbo-Request-Id": "r1"}):
        page = Page(title="a")
        session.add(page)
        session.commit()
        page.title = "b"
        session.commit()
    session.delete(page)
    session.commit()
    assert client.broadcasts("pages") == []
    client.advance_time(0.5)
    assert client.broadcasts("pages") == [
        {"action": "refresh", "request-id": "r1"},
        {"action": "refresh"},
    ]


def test_a_model_that_says_nothing_is_not_told_of(session: Session, app: Flask) -> None:
    session.add(Quiet())
    session.flush()
    assert commits.KEY not in session.info
    session.commit()


def test_statements_in_bulk_pass_unseen(session: Session, board: Board, told: Told) -> None:
    session.execute(insert(Note), [{"id": 1, "text": "a", "board_id": 1}])
    session.execute(update(Note).values(text="b"))
    session.commit()
    assert told() == []


def test_a_template_that_fails_stops_nothing(
    session: Session, board: Board, told: Told, client: CableClient, caplog: pytest.LogCaptureFixture
) -> None:
    session.add_all([Sticker(id=1, text="a", board_id=1), Note(id=2, text="b", board=board)])
    session.commit()
    assert session.get(Note, 1) is not None
    assert told() == [appended(2, "b")]
    assert "a change of Sticker could not be broadcast" in caplog.text
    with pytest.raises(Exception, match=r"_sticker\.html"):
        client.settle()


# Silence.


def test_nothing_is_said_of_what_a_block_suppresses(session: Session, board: Board, told: Told) -> None:
    with Note.suppressing_broadcasts():
        session.add(Note(text="a", board=board))
        session.commit()
    assert told() == []
    session.add(Note(id=7, text="b", board=board))
    session.commit()
    assert told() == [appended(7, "b")]


def test_nor_of_what_is_only_flushed_or_only_committed_in_it(
    session: Session, board: Board, told: Told
) -> None:
    with Note.suppressing_broadcasts():
        session.add(Note(text="a", board=board))
        session.flush()
    session.commit()
    session.add(Note(text="b", board=board))
    session.flush()
    with Broadcastable.suppressing_broadcasts():
        session.commit()
    assert told() == []


# What it costs.


def test_nothing_is_kept_after_the_end(session: Session, board: Board) -> None:
    note = Note(text="a", board=board)
    session.add(note)
    session.flush()
    pending = weakref.ref(session.info[commits.KEY])
    session.commit()
    assert pending() is None
    gone = weakref.ref(note)
    session.expunge_all()
    del note
    gc.collect()
    assert gone() is None


def test_sessions_are_listened_to_once() -> None:
    for _ in range(3):
        commits.watch(Broadcastable)
        type("Another", (Broadcastable,), {})
    assert list(Session().dispatch.before_commit).count(commits.before_commit) == 1


def test_a_script_without_an_application_commits_all_the_same() -> None:
    program = (
        "from sqlalchemy import create_engine\n"
        "from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, Session\n"
        "from flask_cable import Broadcastable\n"
        "class Base(DeclarativeBase): pass\n"
        "class Log:\n"
        "    def broadcast(self, stream, message): print(stream, message)\n"
        "class Note(Broadcastable, Base):\n"
        "    __tablename__ = 'note'\n"
        "    id: Mapped[int] = mapped_column(primary_key=True)\n"
        "    broadcasts_to = 'notes'\n"
        "    def broadcast_content(self): return 'hi'\n"
        "engine = create_engine('sqlite://')\n"
        "Base.metadata.create_all(engine)\n"
        "def commit():\n"
        "    with Session(engine) as session: session.add(Note()); session.commit()\n"
        "commit()\n"
        "Note.broadcaster = Log()\n"
        "commit()\n"
    )
    run = programs.run(program)
    said = "notes {'action': 'append', 'target': 'notes', 'content': 'hi'}\n"
    assert (run.returncode, run.stdout) == (0, said)
    assert "Note was changed, and nobody is told: there is no application here" in run.stderr


# Other ways to map.


def test_a_class_may_be_older_than_its_mapping() -> None:
    program = (
        "import sys\n"
        "from flask import Flask\n"
        "from flask_cable import Broadcastable, Cable\n"
        "class Note(Broadcastable):\n"
        "    broadcasts_to = 'notes'\n"
        "    def broadcast_content(self): return 'hi'\n"
        "assert 'sqlalchemy' not in sys.modules\n"
        "from sqlalchemy import Column, Integer, Table, create_engine\n"
        "from sqlalchemy.orm import Session, registry\n"
        "class Log:\n"
        "    def broadcast(self, stream, message): print(stream, message)\n"
        "mapped = registry()\n"
        "table = Table('note', mapped.metadata, Column('id', Integer, primary_key=True))\n"
        "mapped.map_imperatively(Note, table)\n"
        "Cable(Flask('shop'))\n"
        "Note.broadcaster = Log()\n"
        "engine = create_engine('sqlite://')\n"
        "mapped.metadata.create_all(engine)\n"
        "with Session(engine) as session: session.add(Note()); session.commit()\n"
    )
    run = programs.run(program)
    said = "notes {'action': 'append', 'target': 'notes', 'content': 'hi'}\n"
    assert (run.returncode, run.stdout) == (0, said)


def test_a_dataclass_may_be_a_model(client: CableClient) -> None:
    class DataBase(MappedAsDataclass, DeclarativeBase):
        pass

    class Point(Broadcastable, DataBase):
        __tablename__ = "point"
        id: Mapped[int] = mapped_column(primary_key=True, init=False)
        x: Mapped[int] = mapped_column(default=1)
        broadcasts_to = "points"

        def broadcast_content(self) -> str:
            return str(self.x)

    engine = create_engine("sqlite://")
    DataBase.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Point(x=3))
        session.commit()
    engine.dispose()
    assert client.broadcasts("points") == [{"action": "append", "target": "points", "content": "3"}]


def test_flask_sqlalchemy() -> None:
    db = SQLAlchemy()

    class Entry(Broadcastable, db.Model):  # type: ignore[name-defined]
        id = db.Column(db.Integer, primary_key=True)
        text = db.Column(db.String)
        broadcasts_to = "entries"

        def broadcast_content(self) -> str:
            return f"{self.text} of {Entry.query.count()}"

    app = Flask("entries")
    app.config.update(SECRET_KEY="secret", SQLALCHEMY_DATABASE_URI="sqlite://")
    db.init_app(app)
    Cable(app)
    with CableClient(app) as client:
        with app.app_context():
            db.create_all()
            db.session.add(Entry(text="a"))
            db.session.commit()
            db.session.add(Entry(text="never"))
            db.session.flush()
            db.session.rollback()
            entry = db.session.execute(db.select(Entry)).scalar_one()
            entry.text = "b"
            db.session.commit()
            db.session.delete(entry)
            db.session.commit()
            db.engine.dispose()
        assert client.broadcasts("entries") == [
            {"action": "append", "target": "entrys", "content": "a of 1"},
            {"action": "replace", "target": "entry_1", "content": "b of 1"},
            {"action": "remove", "target": "entry_1"},
        ]


# The guide.


def test_the_documentations_example_works(tmp_path: Path) -> None:
    guide = (Path(__file__).parents[2] / "docs/models.md").read_text("utf-8")
    for name, source in re.findall(r"```html\+jinja\n\{# templates/(\S+) #\}\n(.*?)```", guide, re.DOTALL):
        (tmp_path / "templates").mkdir(exist_ok=True)
        (tmp_path / "templates" / name).write_text(source)
    (tmp_path / "app.py").write_text("\n".join(re.findall(r"```python\n(.*?)```", guide, re.DOTALL)))
    (tmp_path / "try.py").write_text(
        "import app\n"
        "from flask_cable.testing import CableClient\n"
        "with CableClient(app.create_app()) as client:\n"
        "    (page,) = client.connect().subscribe_page(client.http.get('/').text)\n"
        "    client.http.post('/', data={'title': '<Hi>'})\n"
        "    print(*page.transmissions)\n"
        "    with client.app.app_context():\n"
        "        app.measured(app.Sensor(1, 20))\n"
        "        app.import_posts(['a', 'b'])\n"
        "    client.advance_time(0.5)\n"
        "    print(client.broadcasts('sensors'), page.transmissions[1:])\n"
    )
    run = subprocess.run(
        [sys.executable, "try.py"],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
    assert run.stderr == ""
    assert run.stdout == (
        '<turbo-stream action="append" target="posts">'
        '<template><li id="post_1">&lt;Hi&gt;</li></template></turbo-stream>\n'
        "[{'action': 'update', 'content': '20 °C', 'target': 'sensor_1'}] "
        "['<turbo-stream action=\"refresh\"></turbo-stream>']\n"
    )
