"""Socket.IO 5: packets inside Engine.IO messages, with binary values beside the JSON as attachments.

``SocketIO`` reads and writes the packets of one application's JSON; ``Assembly`` waits for a packet's
attachments. Neither knows who is connected to what: that is the endpoint's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from ..errors import EncodeError, MalformedMessage
from .frames import BINARY, Burst, Frame
from .json import Json

CONNECT, DISCONNECT, EVENT, ACK, CONNECT_ERROR, BINARY_EVENT, BINARY_ACK = range(7)
PLAIN = {BINARY_EVENT: EVENT, BINARY_ACK: ACK}
WITH_ATTACHMENTS = {plain: binary for binary, plain in PLAIN.items()}

MAIN = "/"
"""The namespace that packets without one belong to."""

RESERVED = frozenset(
    ("connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener")
)
"""Events that neither side may send: clients give them a meaning of their own."""

MAX_ATTACHMENTS = 10
"""How many the stock client takes; one that gets more ends the connection."""

_ATTACHMENTS = re.compile(r"([0-9]{1,5})-")
_HEAD = re.compile(r"(?:(/[^,\x00-\x1f]*)(?:,|\Z))?([0-9]{1,16})?")


class Packet(NamedTuple):
    """One packet; binary kinds are told by their number of attachments alone."""

    kind: int
    namespace: str = MAIN
    data: Any = None
    id: int | None = None
    attachments: int = 0


class SocketIO:
    """The protocol over one application's JSON.

    Args:
        max_attachments: how many a packet may have, in either direction.
    """

    def __init__(self, json: Json | None = None, max_attachments: int = MAX_ATTACHMENTS) -> None:
        self.json = json or Json()
        self.max_attachments = max_attachments

    # From the peer.

    def parse(self, text: str) -> Packet:
        """Read one packet, which for now lacks its attachments.

        Raises:
            MalformedMessage: unknown type, wrong attachment count, no JSON, or not what its type carries.
        """
        if text[:2] == "2[":  # as nearly all are: an event of the main namespace that wants no answer
            return Packet(EVENT, MAIN, self._data(EVENT, text[1:]))
        if not text or text[0] not in "0123456":
            raise MalformedMessage(f"no Socket.IO packet: {text[:20]!r}")
        kind, start, attachments = int(text[0]), 1, 0
        if kind in PLAIN:
            kind, start, attachments = PLAIN[kind], *self._attachments(text)
        head = _HEAD.match(text, start)
        assert head is not None  # it matches nothing, too
        namespace, number = head.groups()
        data = self._data(kind, text[head.end() :])
        return Packet(kind, namespace or MAIN, data, int(number) if number else None, attachments)

    def _attachments(self, text: str) -> tuple[int, int]:
        found = _ATTACHMENTS.match(text, 1)
        count = int(found[1]) if found else 0
        if found is None or not 0 < count <= self.max_attachments:
            raise MalformedMessage(f"a packet with 1 to {self.max_attachments} attachments: {text[:20]!r}")
        return found.end(), count

    def _data(self, kind: int, text: str) -> Any:
        data = None
        if text:
            try:
                data = self.json.decode(text)
            except ValueError as error:
                raise MalformedMessage(f"data that is not JSON: {error}") from error
        if not _fits(kind, data, bool(text)):
            raise MalformedMessage(f"not what a packet of type {kind} carries: {text[:40]!r}")
        return data

    # To the peer.

    def event(self, namespace: str, values: Sequence[Any], id: int | None = None) -> Frame:
        """``["name", ...]`` for the peer's handlers, which answer when there is an ``id``.

        Binary values become attachments, unless the application's JSON writes them itself.

        Raises:
            EncodeError: a value has no JSON form, or there are more attachments than clients take.
        """
        return self._packet(EVENT, namespace, values, id)

    def message(self, namespace: str, body: bytes) -> Frame:
        """A ``message`` event whose one value is JSON already."""
        return Frame(b'%b["message",%b]' % (_head(EVENT, namespace), body))

    def plain(self, value: Any) -> Any:
        """``value`` as it would arrive. Raises ``EncodeError`` when it has no JSON form."""
        return self.json.decode(self.json.encode(value).decode())

    def ack(self, namespace: str, id: int, values: Sequence[Any]) -> Frame:
        """The answer to the peer's event ``id``. Raises ``EncodeError``."""
        return self._packet(ACK, namespace, values, id)

    def connected(self, namespace: str, sid: str, pid: str | None = None) -> Frame:
        """The peer is in a namespace, as ``sid``; with ``pid`` it may come back as the same."""
        fields = {"sid": sid} if pid is None else {"sid": sid, "pid": pid}
        return self._packet(CONNECT, namespace, fields)

    def refused(self, namespace: str, message: str, data: Any = None) -> Frame:
        """The peer may not enter a namespace: ``message``, and whatever else explains it."""
        fields = {"message": message} if data is None else {"message": message, "data": data}
        return self._packet(CONNECT_ERROR, namespace, fields)

    def disconnect(self, namespace: str) -> Frame:
        """The peer is out of a namespace, and is not to come back by itself."""
        return Frame(_head(DISCONNECT, namespace))

    def _packet(self, kind: int, namespace: str, value: Any, id: int | None = None) -> Frame:
        try:
            body = self.json.encode(value)
        except EncodeError:
            if kind not in WITH_ATTACHMENTS:
                raise
            return self._with_attachments(kind, namespace, value, id)
        return Frame(_head(kind, namespace, 0, id) + body)

    def _with_attachments(self, kind: int, namespace: str, value: Any, id: int | None) -> Frame:
        attachments: list[bytes] = []
        try:
            value = _lift(value, attachments)
        except RecursionError:  # then it is no JSON either way
            attachments.clear()
        if len(attachments) > self.max_attachments:
            raise EncodeError(
                f"{len(attachments)} binary values in one event, and clients take {self.max_attachments}"
            )
        body = self.json.encode(value)
        head = _head(WITH_ATTACHMENTS[kind], namespace, len(attachments), id)
        return Burst((Frame(head + body), *(Frame(data, BINARY) for data in attachments)))


class Assembly:
    """A packet whose attachments are still to come.

    Args:
        limit: how many bytes they may have together.
    """

    __slots__ = ("_attachments", "_left", "_packet")

    def __init__(self, packet: Packet, limit: int) -> None:
        self._packet = packet
        self._attachments: list[bytes] = []
        self._left = limit

    def add(self, data: bytes) -> Packet | None:
        """Take the next attachment; returns the packet once it is whole. Raises ``MalformedMessage``."""
        self._left -= len(data)
        if self._left < 0:
            raise MalformedMessage("attachments that are larger together than a message may be")
        self._attachments.append(data)
        if len(self._attachments) < self._packet.attachments:
            return None
        try:
            whole = _put_back(self._packet.data, self._attachments)
        except RecursionError as error:
            raise MalformedMessage("nested too deep") from error
        return self._packet._replace(data=whole)


def is_reserved(event: Any) -> bool:
    """Whether an event's name is one that clients keep for themselves."""
    return isinstance(event, str) and event in RESERVED


def _fits(kind: int, data: Any, is_there: bool) -> bool:
    """Whether a packet of this type may carry ``data``; None that ``is_there`` was written as null."""
    if kind == EVENT:
        return isinstance(data, list) and bool(data) and _is_name(data[0])
    if kind == ACK:
        return isinstance(data, list)
    if kind == CONNECT:
        return isinstance(data, dict) or not is_there
    if kind == DISCONNECT:
        return not is_there
    return isinstance(data, (dict, str))


def _is_name(value: Any) -> bool:
    if isinstance(value, str):
        return value not in RESERVED
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _head(kind: int, namespace: str, attachments: int = 0, id: int | None = None) -> bytes:
    """What stands before a packet's data; Engine.IO's type of a message first."""
    count = f"{attachments}-" if attachments else ""
    name = "" if namespace == MAIN else f"{namespace},"
    return f"4{kind}{count}{name}{'' if id is None else id}".encode()


def _lift(value: Any, attachments: list[bytes]) -> Any:
    """A copy of ``value`` with placeholders for what is binary, which is added to ``attachments``."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        attachments.append(bytes(value))
        return {"_placeholder": True, "num": len(attachments) - 1}
    if isinstance(value, dict):
        return {key: _lift(inner, attachments) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_lift(inner, attachments) for inner in value]
    return value


def _put_back(value: Any, attachments: list[bytes]) -> Any:
    """Undo ``_lift``."""
    if isinstance(value, list):
        return [_put_back(inner, attachments) for inner in value]
    if not isinstance(value, dict):
        return value
    if value.get("_placeholder") is True:
        number = value.get("num")
        if type(number) is not int or not 0 <= number < len(attachments):
            raise MalformedMessage(f"a placeholder for attachment {number!r} of {len(attachments)}")
        return attachments[number]
    return {key: _put_back(inner, attachments) for key, inner in value.items()}
