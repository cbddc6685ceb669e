"""Names of streams, and coders for what travels on them.

One rule names a stream everywhere: channels, broadcasts and models use ``stream_key``, so they meet.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

RESERVED = "flask_cable/"
"""What the names of streams begin with on which processes talk among themselves."""

_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def stream_key(value: Any) -> str:
    """Name the stream of ``value``.

    A string is its own name; an object with an ``id`` is ``"Type:id"`` (``"Post:7"``); a list or tuple
    is its parts joined with ``:``; anything else is its ``str()``.

    Raises:
        ValueError: for a blank name, ``None``, an object whose ``id`` is still ``None``, or a name of
            Flask-Cable's own, which a peer that may name streams could otherwise hear.
    """
    if isinstance(value, str):
        return _not_blank(value)
    if isinstance(value, (list, tuple)):
        return broadcasting_for(*value)
    if value is None:
        raise ValueError("None names no stream; pass a string or an object that has an id")
    if hasattr(value, "id"):
        return _key_of_record(value)
    return _not_blank(str(value))


def _key_of_record(record: Any) -> str:
    kind = type(record).__name__
    if record.id is None:
        raise ValueError(f"this {kind} has no id yet, so it names no stream; save it first")
    return f"{kind}:{record.id}"


def _not_blank(name: str) -> str:
    if not name.strip():
        raise ValueError("a stream's name must not be blank")
    if name.startswith(RESERVED):
        raise ValueError(f"names that begin with {RESERVED!r} are Flask-Cable's own")
    return name


def broadcasting_for(*parts: Any) -> str:
    """Join the stream keys of ``parts`` with ``:``, as in ``"chat:Post:7"``."""
    if not parts:
        raise ValueError("a stream's name needs at least one part")
    return ":".join(stream_key(part) for part in parts)


def underscored(name: str) -> str:
    """``UserChat`` -> ``user_chat``."""
    return _WORD_START.sub("_", name).lower()


def stream_names(*streams: Any) -> list[str]:
    """The names of several streams, each once; lists and tuples are taken apart.

    Raises:
        ValueError: none is named, or one is blank.
    """
    names = list(dict.fromkeys(_names(streams)))
    if not names:
        raise ValueError("name at least one stream")
    return names


def _names(streams: Iterable[Any]) -> Iterator[str]:
    for one in streams:
        if isinstance(one, (list, tuple, set, frozenset)):
            yield from _names(one)
        else:
            yield stream_key(one)


def channel_name(name: str) -> str:
    """Turn a channel's registered name into its prefix: ``Admin::UserChatChannel`` -> ``admin:user_chat``."""
    stem = name[: -len("Channel")] if name.endswith("Channel") and name != "Channel" else name
    return ":".join(underscored(part) for part in stem.split("::"))


class Coder(Protocol):
    """How a message becomes text for a stream, and how a stream callback gets it back."""

    def encode(self, value: Any) -> str: ...

    def decode(self, text: str) -> Any: ...


class JsonCoder:
    """Compact JSON; ``decode`` passes on what is not a string."""

    @staticmethod
    def encode(value: Any) -> str:
        """Encode ``value`` as JSON without spaces."""
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)

    @staticmethod
    def decode(text: Any) -> Any:
        """Decode a JSON string."""
        return json.loads(text) if isinstance(text, str) else text
