"""A WebSocket peer made of bytes: any header, any bit, any pace; what it hears is checked strictly.

`Wire` is the TCP connection, with HTTP and frames on it (RFC 6455); `join` gives one that a cable has
welcomed. Knows nothing of flask_cable. Every wait has a deadline.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import socket
import ssl
import struct
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from websockets.frames import apply_mask

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
DEADLINE = 20.0  # seconds, for each single wait
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
PROTOCOL = "actioncable-v1-json"

Value = TypeVar("Value")


class Ended(Exception):
    """The other side has closed the TCP connection."""


class Closed(Exception):
    """A close frame came where a message was awaited; `args` are its code and reason."""


@dataclass(frozen=True)
class Answer:
    """An HTTP answer; the names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    text: str = ""


@dataclass(frozen=True)
class Frame:
    """A frame that the server sent."""

    opcode: int
    fin: bool
    payload: bytes


class Wire:
    """A TCP connection to a server of this machine; a context manager.

    `receive_buffer` asks the kernel for a small one, in bytes: a peer that does not read is felt sooner.
    """

    def __init__(
        self, port: int, *, tls: bool = False, receive_buffer: int = 0, deadline: float = DEADLINE
    ) -> None:
        self.port = port
        self.origin = f"http{'s' if tls else ''}://127.0.0.1:{port}"
        self._buffer = bytearray()
        self._sock = _connected(port, receive_buffer, deadline)
        if tls:
            self._sock = _encrypted(self._sock)

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the TCP connection, without a word."""
        self._sock.close()

    def reset(self) -> None:
        """Tear the TCP connection down with an RST."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._sock.close()

    # Bytes.

    def write(self, data: bytes) -> None:
        """Send these bytes, all of them."""
        self._sock.sendall(data)

    def write_some(self, data: bytes | memoryview) -> int:
        """Send what the kernel takes at once, and return how much that was."""
        patience = self._sock.gettimeout()
        self._sock.setblocking(False)
        try:
            return self._sock.send(data)
        except BlockingIOError:
            return 0
        finally:
            self._sock.settimeout(patience)

    def end(self) -> None:
        """Say that nothing more will be sent, and go on listening."""
        self._sock.shutdown(socket.SHUT_WR)

    def hear_end(self) -> bytes:
        """Wait until the server closes the TCP connection, and return what came before that."""
        try:
            while True:
                self._fill()
        except (Ended, ConnectionError):
            return bytes(self._buffer)

    def _fill(self) -> None:
        data = self._sock.recv(2**18)
        if not data:
            raise Ended(f"the server closed; {len(self._buffer)} bytes were left over")
        self._buffer += data

    def _take(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._fill()
        taken = bytes(memoryview(self._buffer)[:size])
        del self._buffer[:size]
        return taken

    # HTTP.

    def request(
        self,
        path: str = "/cable",
        headers: Mapping[str, str | None] | None = None,
        *,
        method: str = "GET",
        version: str = "HTTP/1.1",
    ) -> bytes:
        """Return the bytes of a handshake; `headers` are laid over the usual ones, None leaves one out."""
        fields: dict[str, str | None] = {
            "Host": f"127.0.0.1:{self.port}",
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Protocol": PROTOCOL,
            "Origin": self.origin,
            **(headers or {}),
        }
        lines = [f"{name}: {value}" for name, value in fields.items() if value is not None]
        return "\r\n".join([f"{method} {path} {version}", *lines, "", ""]).encode("latin-1")

    def ask(
        self, path: str = "/cable", headers: Mapping[str, str | None] | None = None, **line: str
    ) -> Answer:
        """Send a handshake and return the answer; one that switches protocols is checked."""
        request = self.request(path, headers, **line)
        self.write(request)
        answer = self.answer()
        if answer.status == 101:
            _check_upgrade(request, answer)
        return answer

    def answer(self) -> Answer:
        """Read an HTTP answer, body included."""
        while b"\r\n\r\n" not in self._buffer:
            self._fill()
        head = self._take(self._buffer.index(b"\r\n\r\n") + 4).decode("latin-1")
        first, *lines = head.split("\r\n")[:-2]
        fields = [line.split(":", 1) for line in lines]
        headers = {name.lower(): value.strip() for name, value in fields}
        status = int(first.split(" ")[1])
        return Answer(status, headers, "" if status == 101 else self._body(headers))

    def _body(self, headers: Mapping[str, str]) -> str:
        length = headers.get("content-length")
        return (self.hear_end() if length is None else self._take(int(length))).decode()

    # Frames.

    def send(
        self, opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, masked: bool = True
    ) -> None:
        """Send one frame."""
        self.write(frame(opcode, payload, fin=fin, rsv=rsv, masked=masked))

    def hear_frame(self) -> Frame:
        """Read one frame, and check what holds for every frame of a server (RFC 6455 5.2)."""
        first, second = self._take(2)
        assert not first & 0x70, f"reserved bits are set: {first:#x}"
        assert not second & 0x80, "a server masks nothing"
        size = second & 0x7F
        if size > 125:
            width, least = (2, 126) if size == 126 else (8, 65536)
            size = int.from_bytes(self._take(width), "big")
            assert size >= least, "a length is written as short as can be"
        assert size < 126 or first & 0x0F < CLOSE, "a control frame is short"
        return Frame(first & 0x0F, bool(first & 0x80), self._take(size))

    def hear_close(self) -> tuple[int, str]:
        """Wait for the close frame, whatever comes before it, and return its code and reason."""
        while (heard := self.hear_frame()).opcode != CLOSE:
            pass
        return _close_of(heard)

    def say_close(self, code: int = 1000, reason: str = "") -> None:
        """Send a close frame."""
        self.send(CLOSE, code.to_bytes(2, "big") + reason.encode())

    def hear_pong(self) -> bytes:
        """Wait for a pong, beats before it aside, and return its payload."""
        while (heard := self.hear_frame()).opcode != PONG:
            self._pass_over(heard)
        return heard.payload

    def _pass_over(self, heard: Frame) -> None:
        """Do what a client does with a frame that is no news: answer a ping, count a beat."""
        if heard.opcode == PING:
            self.send(PONG, heard.payload)
        else:
            assert json.loads(heard.payload)["type"] == "ping", heard

    # Action Cable.

    def say(self, **fields: Any) -> None:
        """Send a text message of JSON."""
        self.send(TEXT, json.dumps(fields).encode())

    def hear(self) -> Any:
        """Wait for the next message that is no beat, and return it decoded. Raises: Closed."""
        while True:
            heard = self.hear_frame()
            if heard.opcode == CLOSE:
                raise Closed(*_close_of(heard))
            if heard.opcode == PING:  # the server asks whether we are still there
                self.send(PONG, heard.payload)
                continue
            assert heard.opcode == TEXT, f"neither text nor a close frame: {heard.opcode}"
            assert heard.fin, "nothing that a cable sends is fragmented"
            message = json.loads(heard.payload)
            if message.get("type") != "ping":
                return message

    def subscribe(self, identifier: str) -> None:
        """Subscribe, and see that this is confirmed."""
        self.say(command="subscribe", identifier=identifier)
        assert self.hear() == {"identifier": identifier, "type": "confirm_subscription"}

    def perform(self, identifier: str, action: str, **data: Any) -> None:
        """Call an action."""
        self.say(command="message", identifier=identifier, data=json.dumps({"action": action, **data}))

    def hear_message(self, identifier: str) -> Any:
        """Wait for the next message, which has to be one of this subscription, and return what is in it."""
        heard = self.hear()
        assert heard.keys() == {"identifier", "message"}, heard
        assert heard["identifier"] == identifier
        return heard["message"]


def join(
    port: int, path: str = "/cable", *identifiers: str, tls: bool = False, receive_buffer: int = 0
) -> Wire:
    """Open a connection that the cable at `path` has welcomed, with these subscriptions confirmed."""
    wire = Wire(port, tls=tls, receive_buffer=receive_buffer)
    try:
        answer = wire.ask(path)
        assert answer.status == 101, answer
        assert wire.hear() == {"type": "welcome"}
        for identifier in identifiers:
            wire.subscribe(identifier)
    except BaseException:
        wire.close()
        raise
    return wire


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, masked: bool = True) -> bytes:
    """Encode a frame as a client does, or as none should."""
    key = os.urandom(4) if masked else b""
    body = apply_mask(payload, key) if masked else payload
    return header(opcode, len(payload), fin=fin, rsv=rsv, masked=masked) + key + body


def header(opcode: int, size: int, *, fin: bool = True, rsv: int = 0, masked: bool = True) -> bytes:
    """Encode what stands before the masking key; `size` may be a lie."""
    first, bit = (fin << 7) | (rsv << 4) | opcode, masked << 7
    if size < 126:
        return bytes((first, bit | size))
    if size < 65536:
        return bytes((first, bit | 126)) + size.to_bytes(2, "big")
    return bytes((first, bit | 127)) + size.to_bytes(8, "big")


def eventually(look: Callable[[], Value], what: str, deadline: float = DEADLINE) -> Value:
    """Look until something true is seen, and return it; `what` says what was awaited in vain."""
    end = time.monotonic() + deadline
    while not (seen := look()):
        assert time.monotonic() < end, f"not within {deadline} s: {what}"
        time.sleep(0.02)
    return seen


def _connected(port: int, receive_buffer: int, deadline: float) -> socket.socket:
    sock = socket.socket()
    try:
        sock.settimeout(deadline)
        if receive_buffer:  # it has a say in the TCP window, so before connecting
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.connect(("127.0.0.1", port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        sock.close()
        raise
    return sock


def _encrypted(sock: socket.socket) -> socket.socket:
    trusting = ssl.create_default_context()
    trusting.check_hostname = False
    trusting.verify_mode = ssl.CERT_NONE
    return trusting.wrap_socket(sock)


def _check_upgrade(request: bytes, answer: Answer) -> None:
    """What a client has to check (RFC 6455 4.1)."""
    lines = [line.split(": ", 1) for line in request.decode("latin-1").split("\r\n")[1:-2]]
    sent = {name.lower(): value for name, value in lines}
    digest = hashlib.sha1((sent["sec-websocket-key"] + GUID).encode()).digest()
    assert answer.headers["upgrade"].lower() == "websocket"
    assert answer.headers["connection"].lower() == "upgrade"
    assert answer.headers["sec-websocket-accept"] == base64.b64encode(digest).decode()
    offered = sent.get("sec-websocket-protocol", "").split(", ")
    assert answer.headers.get("sec-websocket-protocol") in (None, *offered)
    assert "sec-websocket-extensions" not in answer.headers or "sec-websocket-extensions" in sent


def _close_of(heard: Frame) -> tuple[int, str]:
    if not heard.payload:
        return 1005, ""
    return int.from_bytes(heard.payload[:2], "big"), heard.payload[2:].decode()
