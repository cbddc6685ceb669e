"""Flask-Cable: the real-time layer for Flask.

``Cable`` is loaded when it is first asked for, so that what is below it works without Flask.
"""

from typing import TYPE_CHECKING, Any

from . import errors, signals
from .core.callbacks import (
    after_command,
    after_subscribe,
    after_unsubscribe,
    before_command,
    before_subscribe,
    before_unsubscribe,
    rescue_from,
)
from .core.connection import Connection
from .endpoints.channels import Channel, periodically
from .streams import JsonCoder, broadcasting_for, stream_key

if TYPE_CHECKING:
    from .extension import Cable

__all__ = [
    "Cable",
    "Channel",
    "Connection",
    "JsonCoder",
    "after_command",
    "after_subscribe",
    "after_unsubscribe",
    "before_command",
    "before_subscribe",
    "before_unsubscribe",
    "broadcasting_for",
    "errors",
    "periodically",
    "rescue_from",
    "signals",
    "stream_key",
]


def __getattr__(name: str) -> Any:
    if name == "Cable":
        from .extension import Cable

        return Cable
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
