"""How a raw endpoint's values become messages: as they are, JSON, MessagePack, or an application's own way.

A *serializer* is what applications write: ``encode`` and ``decode``. A *codec* makes frames with one.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Protocol

from ..errors import ConfigError, EncodeError
from .frames import BINARY, Frame
from .json import Json

Default = Callable[[Any], Any]


class Serializer(Protocol):
    """Makes a message of a value, text or binary, and a value of what a peer sent. Raises what it likes."""

    def encode(self, value: Any) -> str | bytes: ...

    def decode(self, message: Any) -> Any: ...


class Codec(ABC):
    """Makes frames for an endpoint's peers, and values of what they send."""

    @abstractmethod
    def frame(self, value: Any) -> Frame:
        """Make the frame of a value. Raises ``EncodeError``, which names its type."""

    @abstractmethod
    def frame_of_json(self, body: bytes) -> Frame:
        """Make the frame of a broadcast, given its JSON."""

    @abstractmethod
    def decode(self, message: str | bytes) -> Any:
        """Make a value of what a peer sent: text is ``str``, binary is ``bytes``. Raises any error."""


class PlainCodec(Codec):
    """No serializer: text and bytes are what they are."""

    def frame(self, value: Any) -> Frame:
        if isinstance(value, (str, bytes, bytearray, memoryview)):
            return _frame(value)
        raise EncodeError(
            f"a {type(value).__name__} cannot be sent: send str or bytes, or give the endpoint a serializer"
        )

    def frame_of_json(self, body: bytes) -> Frame:
        """A string as it is, and anything else as JSON."""
        return Frame(json.loads(body).encode() if body[:1] == b'"' else body)

    def decode(self, message: str | bytes) -> Any:
        return message


class JsonCodec(Codec):
    """The application's JSON, as text; what is broadcast is JSON already."""

    def __init__(self, json: Json) -> None:
        self._json = json

    def frame(self, value: Any) -> Frame:
        return Frame(self._json.encode(value))

    def frame_of_json(self, body: bytes) -> Frame:
        return Frame(body)

    def decode(self, message: str | bytes) -> Any:
        return self._json.decode(message.decode() if isinstance(message, bytes) else message)


class OwnCodec(Codec):
    """Any object with ``encode`` and ``decode``.

    Args:
        name: what errors call it.
        json: decodes what is broadcast.
    """

    def __init__(self, serializer: Serializer, name: str, json: Json) -> None:
        self._serializer = serializer
        self._name = name
        self._json = json
        self.decode = serializer.decode  # type: ignore[method-assign]

    def frame(self, value: Any) -> Frame:
        try:
            return _frame(self._serializer.encode(value))
        except Exception as error:
            kind = type(value).__name__
            raise EncodeError(f"a {kind} cannot be sent with serializer {self._name}: {error}") from error

    def frame_of_json(self, body: bytes) -> Frame:
        return self.frame(self._json.decode(body.decode()))

    def decode(self, message: str | bytes) -> Any:
        raise NotImplementedError  # the serializer's own takes its place


class MsgpackSerializer:
    """MessagePack, in binary messages.

    Args:
        default: makes something that can be packed of what cannot be, or raises ``TypeError``.

    Raises:
        ConfigError: msgpack is not installed.
    """

    def __init__(self, default: Default | None = None) -> None:
        try:
            import msgpack
        except ImportError:
            message = "serializer 'msgpack' needs msgpack: pip install 'Flask-Cable[msgpack]'"
            raise ConfigError(message) from None
        self._pack, self._unpack = msgpack.packb, msgpack.unpackb
        self._default = default

    def encode(self, value: Any) -> bytes:
        packed: bytes = self._pack(value, default=self._default)
        return packed

    def decode(self, message: Any) -> Any:
        if isinstance(message, str):
            raise ValueError("text; MessagePack is binary")
        return self._unpack(message)


def _frame(message: Any) -> Frame:
    if isinstance(message, str):
        try:
            return Frame(message.encode())
        except UnicodeEncodeError as error:
            raise EncodeError(f"a str that is no text cannot be sent: {error}") from error
    if isinstance(message, (bytes, bytearray, memoryview)):
        return Frame(bytes(message), BINARY)
    raise TypeError(f"it made a {type(message).__name__}, and not str or bytes")


def make_codec(serializer: Any, name: str, json: Json, default: Default | None = None) -> Codec:
    """The codec of an endpoint.

    Args:
        serializer: None, ``"json"``, ``"msgpack"``, an object with ``encode`` and ``decode``, or a class or
            function that makes one.
        name: what errors call it.
        default: as for ``MsgpackSerializer``.

    Raises:
        ConfigError: it is none of these, or its library is missing.
    """
    if serializer is None:
        return PlainCodec()
    if serializer == "json":
        return JsonCodec(json)
    if serializer == "msgpack":
        return OwnCodec(MsgpackSerializer(default), name, json)
    if callable(serializer) and (isinstance(serializer, type) or not is_serializer(serializer)):
        serializer = serializer()
    if not is_serializer(serializer):
        raise ConfigError(f"serializer {name} needs `encode` and `decode`, and {serializer!r} lacks them")
    return OwnCodec(serializer, name, json)


def is_serializer(candidate: Any) -> bool:
    """Whether it has ``encode`` and ``decode``."""
    return all(callable(getattr(candidate, name, None)) for name in ("encode", "decode"))
