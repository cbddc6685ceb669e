"""How one Socket.IO endpoint is served: times, limits and transports, each with its default."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ...errors import ConfigError
from ...protocols.engineio import POLLING, WEBSOCKET
from ...protocols.socketio import MAX_ATTACHMENTS


class Settings(NamedTuple):
    """What ``cable.socketio()`` takes beside its path. Defaults are the Node server's, where it has one.

    Attributes:
        ping_interval: seconds between two pings of a client.
        ping_timeout: seconds that it has to answer; it counts on both.
        max_payload: bytes of one message with all its attachments, and of one POST.
        connect_timeout: seconds that a client has to enter its first namespace.
        upgrade_timeout: seconds that a WebSocket has to take over from polling.
        transports: what clients may use.
        recovery_seconds: for how long one that was cut off may come back as who it was; None never.
        recovery_packets: how many events of a namespace are kept for that.
        recovery_sockets: how many that were cut off each process keeps at a time; more do not come back.
        max_attachments: binary values of one event, either way; stock clients take no more.
        max_namespaces: how many one client may enter.
        max_rooms: how many one socket may join.
        max_acks: how many of one socket's events may wait for their acknowledgement.
    """

    ping_interval: float = 25.0
    ping_timeout: float = 20.0
    max_payload: int = 1_000_000
    connect_timeout: float = 45.0
    upgrade_timeout: float = 10.0
    transports: tuple[str, ...] = (POLLING, WEBSOCKET)
    recovery_seconds: float | None = None
    recovery_packets: int = 1000
    recovery_sockets: int = 10_000
    max_attachments: int = MAX_ATTACHMENTS
    max_namespaces: int = 100
    max_rooms: int = 1000
    max_acks: int = 1000

    @classmethod
    def checked(cls, given: Mapping[str, Any]) -> Settings:
        """The defaults with these in their place. Raises ``ConfigError``, which names what is wrong."""
        for name, value in given.items():
            if name not in cls._fields:
                raise ConfigError(
                    f"{name} is no setting of cable.socketio; there are {', '.join(cls._fields)}"
                )
            is_right, form = _CHECKS.get(name, _COUNT)
            if not is_right(value):
                raise ConfigError(f"cable.socketio({name}={value!r}): it has to be {form}")
        if "transports" in given:
            given = {**given, "transports": tuple(given["transports"])}
        return cls(**given)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_seconds(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0


def _are_transports(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and bool(value) and set(value) <= {POLLING, WEBSOCKET}


_COUNT = (_is_count, "a whole number above zero")
_SECONDS = (_is_seconds, "a number of seconds above zero")
_CHECKS: dict[str, tuple[Callable[[Any], bool], str]] = {
    **dict.fromkeys(("ping_interval", "ping_timeout", "connect_timeout", "upgrade_timeout"), _SECONDS),
    "transports": (_are_transports, "a list of 'polling' and 'websocket'"),
    "recovery_seconds": (
        lambda value: value is None or _is_seconds(value),
        "a number of seconds above zero, or None",
    ),
}
