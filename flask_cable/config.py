"""Every CABLE_* key: its default, its unit, what it means, and what makes it wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from .errors import ConfigError
from .pubsub import BusOptions

Check = Callable[[Any], bool]


class Key(NamedTuple):
    """One setting.

    Attributes:
        default: what holds when the application does not set it.
        check: whether a value will do.
        form: what a value has to be, for the error's text.
        meaning: one line for the reference.
        is_secret: whether an error must not show the value.
    """

    default: Any
    check: Check
    form: str
    meaning: str
    is_secret: bool = False


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_seconds(value: Any) -> bool:
    return _is_number(value) and value > 0


def _is_seconds_or_none(value: Any) -> bool:
    return value is None or _is_seconds(value)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def _is_path(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("/") and "<" not in value


def _is_origins(value: Any) -> bool:
    return all(_is_origin(one) for one in (value if isinstance(value, (list, tuple, set)) else [value]))


def _is_origin(value: Any) -> bool:
    return hasattr(value, "fullmatch") or (isinstance(value, str) and (value == "*" or "://" in value))


def _is_executor(value: Any) -> bool:
    return value in ("auto", "gevent", "threads", "manual")


def _is_url(value: Any) -> bool:
    return value is None or (isinstance(value, str) and ":" in value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_count_or_zero(value: Any) -> bool:
    return _is_count(value) or (value == 0 and not isinstance(value, bool))


def _is_gap(value: Any) -> bool:
    return value in ("disconnect", "ignore")


def _is_health_path(value: Any) -> bool:
    return value is None or (isinstance(value, str) and bool(value) and "<" not in value)


def _is_secrets(value: Any) -> bool:
    if value is None:
        return True
    found = value if isinstance(value, (list, tuple)) else [value]
    return bool(found) and all(isinstance(one, (str, bytes)) and one for one in found)


def _is_seconds_or_zero(value: Any) -> bool:
    return _is_number(value) and value >= 0


def _is_paths(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(one, str) and one[:1] == "/" for one in value)


SECONDS, COUNT, BOOL = "a number of seconds above zero", "a whole number above zero", "True or False"
SECRETS = "a string or bytes that are not empty, a list of such of which the first signs, or None"

KEYS: dict[str, Key] = {
    "CABLE_MOUNT_PATH": Key("/cable", _is_path, "a path such as '/cable'", "where the WebSocket route is"),
    "CABLE_URL": Key(None, _is_url, "a URL or None", "the pub/sub adapter; None stays in this process"),
    "CABLE_PREFIX": Key("cable:", _is_text, "text", "what every address on the pub/sub server begins with"),
    "CABLE_BUS_SECRET": Key(
        None,
        _is_secrets,
        SECRETS,
        "signs messages between processes; of several the first, and all are believed",
        True,
    ),
    "CABLE_BUS_TIMEOUT": Key(
        5.0, _is_seconds, SECONDS, "for the pub/sub server to answer; past it a broadcast fails"
    ),
    "CABLE_BUS_BUFFER": Key(
        0, _is_count_or_zero, "a whole number", "messages that are kept while the pub/sub server is away"
    ),
    "CABLE_BUS_QUEUE": Key(
        10_000, _is_count, COUNT, "messages of a process that may wait to be published; past it an error"
    ),
    "CABLE_GAP": Key(
        "disconnect",
        _is_gap,
        "disconnect or ignore",
        "what becomes of peers that may have missed messages while the pub/sub server was away",
    ),
    "CABLE_HEALTH_PATH": Key(
        "health",
        _is_health_path,
        "a path below CABLE_MOUNT_PATH, one of its own such as '/up', or None",
        "where health is told",
    ),
    "CABLE_SECRET": Key(
        None, _is_secrets, SECRETS, "signs stream names, by keys derived from it; None: SECRET_KEY", True
    ),
    "CABLE_SIGNED_STREAM_KEY": Key(
        None,
        _is_secrets,
        SECRETS,
        "signs stream names as it is; for sharing them with Rails or AnyCable",
        True,
    ),
    "CABLE_CHECK_ORIGIN": Key(True, _is_bool, BOOL, "whether a handshake's Origin is checked at all"),
    "CABLE_ALLOWED_ORIGINS": Key(
        (),
        _is_origins,
        "origins such as 'https://example.com', compiled patterns, or '*'",
        "origins that may connect besides the application's own",
    ),
    "CABLE_MAX_CONNECTIONS": Key(10_000, _is_count, COUNT, "connections per process; past it 503"),
    "CABLE_MAX_MESSAGE_BYTES": Key(2**20, _is_count, COUNT, "the largest message of a peer; past it 1009"),
    "CABLE_HANDSHAKE_TIMEOUT": Key(10.0, _is_seconds, SECONDS, "from handshake to welcome; past it 1013"),
    "CABLE_CLOSE_TIMEOUT": Key(10.0, _is_seconds, SECONDS, "for a peer to answer a close frame"),
    "CABLE_STALE_AFTER": Key(60.0, _is_seconds, SECONDS, "of silence, pings included, until a peer is gone"),
    "CABLE_IDLE_TIMEOUT": Key(
        None, _is_seconds_or_none, f"{SECONDS}, or None", "without a message until a peer is disconnected"
    ),
    "CABLE_DRAIN_SECONDS": Key(5.0, _is_seconds, SECONDS, "over which peers are told that the server ends"),
    "CABLE_PING_INTERVAL": Key(3.0, _is_seconds, SECONDS, "between beats; stock clients give up after 6"),
    "CABLE_OUTBOX_BYTES": Key(2**20, _is_count, COUNT, "bytes that may wait for a peer that does not read"),
    "CABLE_INBOX_MESSAGES": Key(
        1000, _is_count, COUNT, "messages of one peer that may wait; past it the peer is not read"
    ),
    "CABLE_INBOX_BYTES": Key(
        2**22, _is_count, COUNT, "length of those messages in all, text by its characters; past it likewise"
    ),
    "CABLE_OUTBOX_MESSAGES": Key(10_000, _is_count, COUNT, "messages that may wait for such a peer"),
    "CABLE_MESSAGES_PER_SECOND": Key(
        1000, _is_count, COUNT, "messages of one peer in the long run; past it 1008"
    ),
    "CABLE_MESSAGES_BURST": Key(5000, _is_count, COUNT, "messages of one peer at once; past it 1008"),
    "CABLE_MAX_SUBSCRIPTIONS": Key(
        1000, _is_count, COUNT, "subscriptions of one connection; past it rejected"
    ),
    "CABLE_MAX_STREAMS": Key(1000, _is_count, COUNT, "streams of one subscription; past it an error"),
    "CABLE_MAX_IDENTIFIER_BYTES": Key(4096, _is_count, COUNT, "length of an identifier; past it rejected"),
    "CABLE_NAMES_PER_CONNECTION": Key(
        1, _is_count, COUNT, "unique names of one connection; past it an error"
    ),
    "CABLE_GROUPS_PER_CONNECTION": Key(1000, _is_count, COUNT, "groups of one connection; past it an error"),
    "CABLE_LEASE_SECONDS": Key(
        15.0, _is_seconds, SECONDS, "until the names and groups of a process that died are free"
    ),
    "CABLE_SERVER_MESSAGES": Key(
        10_000, _is_count, COUNT, "messages to names and groups that may wait for one connection"
    ),
    "CABLE_COMPRESSION": Key(False, _is_bool, BOOL, "whether permessage-deflate is offered to peers"),
    "CABLE_MODEL_BROADCASTS": Key(
        1000, _is_count, COUNT, "records of one transaction that are broadcast singly; past it one refresh"
    ),
    "CABLE_REFRESH_DELAY": Key(0.5, _is_seconds, SECONDS, "of quiet until a broadcast refresh goes out"),
    "CABLE_SOCKET_WAIT_SECONDS": Key(
        60.0, _is_seconds, SECONDS, "that a page is known before its socket has connected"
    ),
    "CABLE_SOCKET_RESUME_SECONDS": Key(
        120.0,
        _is_seconds_or_zero,
        "a number of seconds, 0 or more",
        "that a page is known after its socket is gone",
    ),
    "CABLE_SOCKET_BUFFER": Key(
        100,
        _is_count_or_zero,
        "a whole number",
        "pushes of each stream that are kept for pages whose sockets are not there",
    ),
    "CABLE_SOCKET_STRICT": Key(
        False, _is_bool, BOOL, "whether the socket of an unknown page is refused with 403"
    ),
    "CABLE_SOCKET_ANONYMOUS": Key(
        False, _is_bool, BOOL, "whether pages' sockets are let in that the connection class refuses"
    ),
    "CABLE_SOCKET_BODY": Key(
        True, _is_bool, BOOL, "whether pages are marked with data-socket-connection-id on <body>"
    ),
    "CABLE_CALL_ROUTES": Key(
        ("/*",), _is_paths, "a list of paths, with * as wildcard", "what pages may call over their sockets"
    ),
    "CABLE_CALLS_PER_SECOND": Key(20, _is_count, COUNT, "routes that a page may call in the long run"),
    "CABLE_CALLS_BURST": Key(100, _is_count, COUNT, "routes that a page may call at once"),
    "CABLE_CALL_BYTES": Key(2**20, _is_count, COUNT, "the largest answer of a route that a page calls"),
    "CABLE_CALL_SECONDS": Key(
        10.0, _is_seconds, SECONDS, "that an answer may be streamed for to a page that calls a route"
    ),
    "CABLE_WORKERS": Key(1000, _is_count, COUNT, "greenlets (or threads, 32 at most) that work at once"),
    "CABLE_MAX_FUNCTIONS": Key(
        1000, _is_count, COUNT, "functions that serve one connection each at a time; past it 503"
    ),
    "CABLE_EXECUTOR": Key("auto", _is_executor, "auto, gevent, threads or manual", "who runs the work"),
}


class Config:
    """The checked settings of one application, as attributes: ``config.max_connections``.

    Raises:
        ConfigError: a key is unknown or wrong; the message names it and what it has to be.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        for name in values:
            if name.startswith("CABLE_") and name not in KEYS:
                raise ConfigError(f"{name} is no setting of Flask-Cable; there are {', '.join(KEYS)}")
        for name, key in KEYS.items():
            value = values.get(name, key.default)
            if not key.check(value):
                shown = name if key.is_secret else f"{name}={value!r}"
                raise ConfigError(f"{shown}: it has to be {key.form}")
            setattr(self, name.removeprefix("CABLE_").lower(), value)

    @property
    def bus_options(self) -> BusOptions:
        """How the pub/sub adapter behaves."""
        secret = self.bus_secret or ()
        secrets = (secret,) if isinstance(secret, (str, bytes)) else tuple(secret)
        return BusOptions(self.prefix, secrets, self.bus_timeout, self.bus_buffer, self.bus_queue)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"no setting CABLE_{name.upper()}")
