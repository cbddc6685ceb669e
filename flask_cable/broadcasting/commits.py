"""SQLAlchemy's events, as changes of records: noted when flushed, shown before the commit, told after it.

Shown before the commit, because then a record can still be read and nothing is written any more; told
after the transaction has ended, so that nobody hears of what did not happen.
"""

from __future__ import annotations

from itertools import chain
from typing import Any

from flask import current_app, has_app_context
from sqlalchemy import event
from sqlalchemy.orm import Session, SessionTransaction, object_session

from ..config import KEYS
from .changes import Change, Pending
from .model import CREATED, DELETED, UPDATED, Broadcastable, is_announced, is_suppressed

KEY = "flask_cable"


def watch(base: type[Broadcastable]) -> None:
    """Listen to the mapped subclasses of ``base``, and to every session; once, however often it is called."""
    if event.contains(Session, "before_commit", before_commit):
        return
    for name, mapper_listener in MAPPER_LISTENERS.items():
        event.listen(base, name, mapper_listener, propagate=True)
    for name, session_listener in SESSION_LISTENERS.items():
        event.listen(Session, name, session_listener)


def is_told(record: Any) -> bool:
    """Whether a record's changes are to be broadcast."""
    return is_announced(record) and not is_suppressed(record)


def limit() -> int:
    """How many records of one transaction are told of singly."""
    default: int = KEYS["CABLE_MODEL_BROADCASTS"].default
    return current_app.config.get("CABLE_MODEL_BROADCASTS", default) if has_app_context() else default


# A flush.


def inserted(mapper: Any, connection: Any, record: Any) -> None:
    """A row was inserted."""
    if is_told(record):
        note(record, Change(record, CREATED))


def updated(mapper: Any, connection: Any, record: Any) -> None:
    """A row was updated, perhaps: records are named here that have not changed, too."""
    session = object_session(record)
    if is_told(record) and session is not None and session.is_modified(record, include_collections=False):
        note(record, Change(record, UPDATED))


def deleting(mapper: Any, connection: Any, record: Any) -> None:
    """A row is about to be deleted: the last moment at which its record can be read."""
    if is_told(record):
        change = Change(record, DELETED)
        change.announce()
        note(record, change)


def note(record: Any, change: Change) -> None:
    """Keep a change with the transaction that it belongs to."""
    session = object_session(record)
    if session is not None:
        pending: Pending | None = session.info.get(KEY)
        if pending is None:
            pending = session.info[KEY] = Pending(limit())
        pending.add(current_transaction(session), change)


def current_transaction(session: Session) -> SessionTransaction | None:
    """The innermost savepoint, or the transaction itself."""
    return session.get_nested_transaction() or session.get_transaction()


def after_flush(session: Session, context: Any) -> None:
    """Everything that changed is known, and may be read."""
    pending: Pending | None = session.info.get(KEY)
    if pending is not None:
        pending.trim(current_transaction(session))


def after_flush_postexec(session: Session, context: Any) -> None:
    """What others write while the transaction ends is shown, too, as long as it can be read."""
    pending: Pending | None = session.info.get(KEY)
    if pending is not None and pending.is_announced:
        pending.announce()


# The end of a transaction.


def before_commit(session: Session) -> None:
    """Hardly anything is written any more after this: see what there is to show."""
    if session.in_nested_transaction():
        return
    if any(map(is_told, chain(session.new, session.dirty, session.deleted))):
        session.flush()
    pending: Pending | None = session.info.get(KEY)
    if pending is not None:
        pending.announce()


def after_commit(session: Session) -> None:
    """A transaction is committed, or a savepoint released."""
    pending: Pending | None = session.info.get(KEY)
    if pending is None:
        return
    savepoint = session.get_nested_transaction()
    if savepoint is None:
        pending.commit(session.get_transaction())
    else:
        pending.release(savepoint, enclosing(savepoint))


def enclosing(savepoint: SessionTransaction) -> SessionTransaction | None:
    """The savepoint around this one, or the transaction itself."""
    parent = savepoint.parent
    while parent is not None and parent.parent is not None and not parent.nested:
        parent = parent.parent
    return parent


def after_transaction_end(session: Session, transaction: SessionTransaction) -> None:
    """A transaction is over, however it ended, and the session may be used again."""
    pending: Pending | None = session.info.get(KEY)
    if pending is None:
        return
    pending.forget(transaction)
    if transaction.parent is None:
        del session.info[KEY]
        pending.broadcast()


MAPPER_LISTENERS = {"after_insert": inserted, "after_update": updated, "before_delete": deleting}
SESSION_LISTENERS: dict[str, Any] = {
    "after_flush": after_flush,
    "after_flush_postexec": after_flush_postexec,
    "before_commit": before_commit,
    "after_commit": after_commit,
    "after_transaction_end": after_transaction_end,
}
