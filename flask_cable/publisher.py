"""Publisher: reaches peers from a process that serves nobody: a job, a script, a shell.

Needs neither Flask nor gevent, and nothing but the URL that the serving processes have as CABLE_URL.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any

from .core.hub import message_of, packet_of
from .core.names import GROUP, NAME, key_of, letter_to, stream_of
from .core.registry import CONTROL, order_of
from .endpoints.push import Ledger, Patience, Pusher
from .endpoints.socketio import Log, SocketIOServer, speak_from_outside
from .errors import ConfigError, EncodeError
from .pubsub import BusOptions, PubSub, open_pubsub
from .streams import Coder, stream_key


class Publisher:
    """Reaches the peers of every serving process. May be used by many threads, and after a fork.

    Connects with the first use, waits until the server has taken each message, and connects anew when it
    has to.

    Args:
        url: what CABLE_URL is where peers are served, or an adapter.
        prefix: their CABLE_PREFIX.
        secret: their CABLE_BUS_SECRET.
        timeout: seconds that the server gets to take a message.
        buffer: messages that are kept while the server is away, instead of failing.
        dumps: encodes messages as JSON text.
        pages: how long and how much is kept for pages: their CABLE_SOCKET_WAIT_SECONDS,
            CABLE_SOCKET_RESUME_SECONDS and CABLE_SOCKET_BUFFER.

    Raises:
        ConfigError: the URL is wrong, or names an adapter that stays in its process.
    """

    def __init__(
        self,
        url: str | PubSub,
        *,
        prefix: str = "cable:",
        secret: str | bytes | Sequence[str | bytes] | None = None,
        timeout: float = 5.0,
        buffer: int = 0,
        dumps: Callable[[Any], str] | None = None,
        pages: tuple[float, float, int] = Patience(),
    ) -> None:
        if isinstance(url, str):
            secrets = (secret,) if isinstance(secret, (str, bytes)) else tuple(secret or ())
            url = open_pubsub(url, BusOptions(prefix, secrets, timeout, buffer))
        if not url.is_shared:
            raise ConfigError(
                f"{url.name}:// reaches no other process, so nobody would hear; use a URL such as redis://localhost/0"
            )
        self._bus = url
        self._dumps = dumps or _dumps
        self._patience = Patience(*pages)

    def broadcast(self, stream: Any, message: Any, coder: Coder | None = None) -> None:
        """Send ``message`` to everybody who hears ``stream``; see ``Cable.broadcast``.

        Raises:
            BusError: the server did not take it in time.
            EncodeError: the message has no JSON form; nothing was sent.
        """
        text = self._encode(message) if coder is None else coder.encode(message)
        self._bus.publish(stream_key(stream), message_of(text, raw=coder is not None))

    def push(self, message: Any, *streams: Any) -> None:
        """Push to every page that hears one of these streams; see ``Cable.push``.

        Raises:
            ValueError: no stream is named.
            BusError: the server did not answer, or take it, in time.
            EncodeError: the message has no JSON form; nothing was sent.
        """
        self._pusher().push(message, *streams)

    def push_to(self, digest: str, message: Any, stream: Any) -> None:
        """Push to one page; see ``Cable.push_to``. Raises as ``push`` does."""
        self._pusher().push_to(digest, message, stream)

    def _pusher(self) -> Pusher:
        ledger = Ledger(self._bus.store, self._patience)
        return Pusher(ledger, self._encode, self._publish_raw)

    def _publish_raw(self, stream: str, text: str) -> None:
        self._bus.publish(stream, message_of(text, raw=True))

    def send_message(self, name: Any, message: Any, scope: Any = None) -> bool:
        """Send a message to who has a unique name; see ``Unique.send_message``.

        Raises:
            BusError: the server did not answer, or take it, in time.
            EncodeError: the message has no JSON form; nothing was sent.
        """
        key, text = key_of(NAME, name, scope), self._encode(message)
        owner = self._bus.store.owner(key)
        if owner is not None:
            stream, letter = letter_to(owner, key, text)
            self._bus.publish(stream, message_of(letter))
        return owner is not None

    def publish(self, group: Any, message: Any, scope: Any = None) -> int:
        """Send a message to all who are in a group, and say how many those are; see ``Group.publish``.

        Raises:
            BusError: the server did not answer, or take it, in time.
            EncodeError: the message has no JSON form; nothing was sent.
        """
        key, text = key_of(GROUP, group, scope), self._encode(message)
        count = sum(self._bus.store.counts(key).values())
        self._bus.publish(stream_of(key), message_of(text))
        return count

    def disconnect(self, where: Mapping[str, Any], reconnect: bool = True) -> None:
        """Disconnect peers wherever they are, by any of their identifiers: ``{"current_user": 7}``.

        Args:
            reconnect: whether they are told to come back.

        Raises:
            BusError: the server did not take it in time.
            ValueError: no identifier is named, which would mean everybody.
        """
        self._bus.publish(CONTROL, message_of(order_of(where, "remote", reconnect)))

    def socketio(
        self, path: str = "/socket.io", *, recovery_seconds: float | None = None, recovery_packets: int = 1000
    ) -> SocketIOServer:
        """Emit to Socket.IO's clients: ``publisher.socketio().to("lobby").emit("news", 7)``.

        Args:
            path: the endpoint's, as in ``cable.socketio(path)``.
            recovery_seconds: the endpoint's, and ``recovery_packets``, if its clients may be recovered: they
                miss no event of this process then.
        """
        log = None
        if recovery_seconds is not None:
            log = Log(path.rstrip("/"), self._bus.store, recovery_seconds, recovery_packets)
        return speak_from_outside(path, self._publish_packet, self._dumps, log)

    def _publish_packet(self, stream: str, packet: str) -> None:
        self._bus.publish(stream, packet_of(packet))

    def _encode(self, message: Any) -> str:
        try:
            return self._dumps(message)
        except (TypeError, ValueError, RecursionError) as error:
            raise EncodeError(f"this has no JSON form: {error}") from error

    def close(self) -> None:
        """Send what waits, and give the connection back."""
        self._bus.stop()

    def __enter__(self) -> Publisher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _dumps(message: Any) -> str:
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
