"""Broadcastable: a class whose objects tell streams how they changed.

Works for any class with an ``id``. Subclasses that SQLAlchemy maps may say ``broadcasts_to``, and are then
told of by ``commits.py``, after the commit.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ClassVar

from ..errors import ConfigError
from ..protocols.turbo import message
from ..streams import stream_key, underscored
from ..templating import render_broadcast, state_of_current_app
from ..turbo import content_of, turbo_request_id

CREATED, UPDATED, DELETED = "created", "updated", "deleted"

_suppressed: ContextVar[tuple[type, ...]] = ContextVar("flask_cable_suppressed", default=())


class Broadcastable:
    """Mix it into a class with an ``id``; on a mapped one say ``broadcasts_to``, and each commit is told of.

    Messages are ``{"action": "append", "target": "posts", "content": "<li>...</li>"}``; who hears the stream
    by ``turbo_stream_from`` gets them as Turbo Streams.
    """

    __slots__ = ()

    broadcasts_to: ClassVar[Any] = None
    """The stream that is told what is created, updated and deleted: a name, or a method that returns whatever
    ``stream_key`` names, or None for no word of this object."""

    broadcasts_refreshes_to: ClassVar[Any] = None
    """The stream that is told to load its pages again instead; as ``broadcasts_to``."""

    broadcast_inserts_by: ClassVar[str] = "append"
    """What is done with what is created: ``"append"`` or ``"prepend"``."""

    broadcast_target: ClassVar[str | None] = None
    """Where it goes: the ``id`` of an element. By default the class's name and an s: ``blog_posts``."""

    broadcast_template: ClassVar[str | None] = None
    """What ``broadcast_content`` renders. By default the class's name: ``_blog_post.html``."""

    broadcast_method: ClassVar[str | None] = None
    """``"morph"`` changes only what differs in the element of an updated object."""

    broadcaster: ClassVar[Any] = None
    """What broadcasts: a ``Cable``, or anything that has its ``broadcast``. By default the current
    application's cable."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if cls.broadcast_inserts_by not in ("append", "prepend"):
            raise ConfigError(f"{cls.__name__}.broadcast_inserts_by is append or prepend")
        if cls.broadcast_method not in (None, "morph"):
            raise ConfigError(f"{cls.__name__}.broadcast_method is morph or None")
        watch_models()

    # How an object looks.

    def broadcast_content(self) -> Any:
        """This object's element, for everybody: markup, or text, which is escaped.

        Renders ``broadcast_template``, where the object has its class's name: ``{{ blog_post.title }}``.
        """
        name = underscored(type(self).__name__)
        return render_broadcast(self.broadcast_template or f"_{name}.html", **{name: self})

    # Broadcasting by hand, at once.

    def broadcast_to(self, stream: Any, payload: Any) -> None:
        """Broadcast anything to a stream: a name, or an object that ``stream_key`` names."""
        if not is_suppressed(self):
            broadcaster_of(self).broadcast(stream, payload)

    def broadcast_append_to(
        self, stream: Any, target: Any = None, content: Any = None, **options: Any
    ) -> None:
        """Add this object, or other content, at the end of ``target``; by default ``broadcast_target``.

        Args:
            target: the ``id`` of an element, or an object, whose ``dom_id`` it is.
            content: markup, or text, which is escaped; by default ``broadcast_content()``.
            options: ``targets``, a CSS selector instead of a target; ``template``, a template to render
                for everybody, and its variables.

        Raises:
            EncodeError, ValueError: there is no such message; nothing was sent.
            NotReady: there is no cable to broadcast with.
        """
        self._insert(stream, "append", target, content, options)

    def broadcast_prepend_to(
        self, stream: Any, target: Any = None, content: Any = None, **options: Any
    ) -> None:
        """Add this object, or other content, at the beginning of ``target``."""
        self._insert(stream, "prepend", target, content, options)

    def broadcast_before_to(
        self, stream: Any, target: Any = None, content: Any = None, **options: Any
    ) -> None:
        """Put this object, or other content, before ``target``, which has no default."""
        self._broadcast_content(stream, "before", target, content, options)

    def broadcast_after_to(
        self, stream: Any, target: Any = None, content: Any = None, **options: Any
    ) -> None:
        """Put this object, or other content, after ``target``, which has no default."""
        self._broadcast_content(stream, "after", target, content, options)

    def broadcast_replace_to(
        self, stream: Any, target: Any = None, content: Any = None, **options: Any
    ) -> None:
        """Put this object in the place of its element; ``method="morph"`` changes only what differs."""
        self._broadcast_content(stream, "replace", self._own(target, options), content, options)

    def broadcast_update_to(
        self, stream: Any, target: Any = None, content: Any = None, **options: Any
    ) -> None:
        """Put content into this object's element; ``method="morph"`` changes only what differs."""
        self._broadcast_content(stream, "update", self._own(target, options), content, options)

    def broadcast_remove_to(self, stream: Any, target: Any = None, *, targets: str | None = None) -> None:
        """Remove this object's element."""
        self.broadcast_to(stream, message("remove", self._own(target, {"targets": targets}), targets=targets))

    def broadcast_refresh_to(
        self, stream: Any, *, method: str | None = None, scroll: str | None = None
    ) -> None:
        """Let the pages that hear ``stream`` load themselves again; see ``Cable.broadcast_refresh``."""
        if not is_suppressed(self):
            broadcast_refresh(broadcaster_of(self), stream, method=method, scroll=scroll)

    def broadcast_action_to(
        self, stream: Any, action: str, target: Any = None, content: Any = None, **attributes: Any
    ) -> None:
        """Any other action, with attributes of its own."""
        self.broadcast_to(stream, message(action, target, content, **attributes))

    def _insert(self, stream: Any, action: str, target: Any, content: Any, options: dict[str, Any]) -> None:
        if target is None and options.get("targets") is None:
            target = list_target(self)
        self._broadcast_content(stream, action, target, content, options)

    def _own(self, target: Any, options: dict[str, Any]) -> Any:
        return self if target is None and options.get("targets") is None else target

    def _broadcast_content(
        self, stream: Any, action: str, target: Any, content: Any, options: dict[str, Any]
    ) -> None:
        if is_suppressed(self):
            return
        attributes = {name: options.pop(name) for name in ("targets", "method") if name in options}
        content = content_of(content, options, render_broadcast)
        shown = self.broadcast_content() if content is None else content
        self.broadcast_to(stream, message(action, target, shown, **attributes))

    # After a commit.

    def broadcasts_on(self, change: str) -> Iterable[tuple[Any, dict[str, Any]]]:
        """What is broadcast after a commit: streams, and a message for each.

        Override it for what ``broadcasts_to`` and its kin cannot say. It is called before the commit, and
        for a deletion before the row is gone.

        Args:
            change: ``"created"``, ``"updated"`` or ``"deleted"``.
        """
        if (stream := _stream(self.broadcasts_to)) is not None:
            yield stream, self._message_on(change)
        if (stream := _stream(self.broadcasts_refreshes_to)) is not None:
            yield stream, message("refresh")

    def _message_on(self, change: str) -> dict[str, Any]:
        if change == DELETED:
            return message("remove", self)
        if change == CREATED:
            return message(self.broadcast_inserts_by, list_target(self), self.broadcast_content())
        return message("replace", self, self.broadcast_content(), method=self.broadcast_method)

    # Silence.

    @classmethod
    @contextmanager
    def suppressing_broadcasts(cls) -> Iterator[None]:
        """Broadcast nothing of this class's objects inside the block, nor what is committed in it."""
        token = _suppressed.set((*_suppressed.get(), cls))
        try:
            yield
        finally:
            _suppressed.reset(token)


def watch_models() -> None:
    """Listen to SQLAlchemy, if it is there by now: classes may be made before it, and mapped later."""
    if "sqlalchemy.orm" in sys.modules:
        from .commits import watch

        watch(Broadcastable)


def is_suppressed(record: Broadcastable) -> bool:
    """Whether this is inside of a block that suppresses the record's broadcasts."""
    return isinstance(record, _suppressed.get())


def is_announced(record: Any) -> bool:
    """Whether a record's changes are told of after a commit."""
    return isinstance(record, Broadcastable) and (
        record.broadcasts_to is not None or record.broadcasts_refreshes_to is not None or says_itself(record)
    )


def says_itself(record: Broadcastable) -> bool:
    """Whether a record's class has a ``broadcasts_on`` of its own."""
    return type(record).broadcasts_on is not Broadcastable.broadcasts_on


def streams_of(record: Broadcastable) -> list[str]:
    """The names of the streams that are told of a record."""
    told = (_stream(record.broadcasts_to), _stream(record.broadcasts_refreshes_to))
    return [stream for stream in told if stream is not None]


def _stream(said: Any) -> str | None:
    stream = said() if callable(said) else said
    return None if stream is None else stream_key(stream)


def list_target(record: Broadcastable) -> str:
    """The ``id`` of the element that a record's own belongs into."""
    return record.broadcast_target or f"{underscored(type(record).__name__)}s"


def broadcaster_of(record: Broadcastable) -> Any:
    """What broadcasts a record's messages. Raises ``NotReady`` where there is nothing."""
    return record.broadcaster if record.broadcaster is not None else state_of_current_app().cable


def broadcast_refresh(broadcaster: Any, stream: Any, **attributes: Any) -> None:
    """Broadcast a refresh, put off where the broadcaster can do that."""
    if hasattr(broadcaster, "broadcast_refresh"):
        broadcaster.broadcast_refresh(stream, **attributes)
    else:
        broadcaster.broadcast(stream, message("refresh", request_id=turbo_request_id(), **attributes))
