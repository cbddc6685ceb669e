"""Flask-Cable: the real-time layer for Flask.

``Cable`` and ``Broadcastable`` are loaded when first asked for, so that what is below works without Flask.
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
from .endpoints.behaviour import Behaviour, Binary, Close, Text
from .endpoints.channels import Channel, periodically
from .errors import NameTaken
from .publisher import Publisher
from .pubsub import ExternalPubSub
from .streams import JsonCoder, broadcasting_for, stream_key

if TYPE_CHECKING:
    from .broadcasting import Broadcastable
    from .extension import Cable

__all__ = [
    "Behaviour",
    "Binary",
    "Broadcastable",
    "Cable",
    "Channel",
    "Close",
    "Connection",
    "ExternalPubSub",
    "JsonCoder",
    "NameTaken",
    "Publisher",
    "Text",
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
    if name == "Broadcastable":
        from .broadcasting import Broadcastable

        return Broadcastable
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
