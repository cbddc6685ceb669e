"""Flask-Cable: the real-time layer for Flask."""

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
from .extension import Cable
from .streams import JsonCoder, broadcasting_for, stream_key

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
