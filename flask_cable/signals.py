"""The moments that others may watch: blinker signals, whose sender is the Flask application."""

from blinker import NamedSignal as NamedSignal
from blinker import Namespace

_signals = Namespace()

connected = _signals.signal("cable-connected")
"""A connection was accepted and welcomed: ``connection``."""

rejected = _signals.signal("cable-rejected")
"""A connection was refused by its ``connect`` hook: ``connection``."""

disconnected = _signals.signal("cable-disconnected")
"""A connection is gone and its hooks have run: ``connection``, ``code``, ``reason``."""

subscribed = _signals.signal("cable-subscribed")
"""A subscription was confirmed: ``channel``."""

subscription_rejected = _signals.signal("cable-subscription-rejected")
"""A subscription was rejected: ``connection``, ``identifier``."""

unsubscribed = _signals.signal("cable-unsubscribed")
"""A subscription ended: ``channel``."""

command_failed = _signals.signal("cable-command-failed")
"""A peer's command could not be carried out, or a hook raised: ``connection``, ``error``."""

name_lost = _signals.signal("cable-name-lost")
"""A connection's name was taken while its process was out of reach: ``connection``, ``name``, ``scope``."""

too_slow = _signals.signal("cable-too-slow")
"""A peer that does not read what it is sent is about to be disconnected: ``connection``."""

backend_lost = _signals.signal("cable-backend-lost")
"""The pub/sub server is out of reach, and will be tried for ever: ``adapter`` (its name), ``error``."""

backend_restored = _signals.signal("cable-backend-restored")
"""The pub/sub server is back and every stream is heard again: ``adapter``, ``seconds`` (it was away)."""

broadcasting = _signals.signal("cable-broadcasting")
"""A message goes out to a stream: ``stream``, ``text`` (its JSON, or what the coder made of it)."""

broadcast_failed = _signals.signal("cable-broadcast-failed")
"""A change of a model was committed and could not be shown or broadcast: ``record``, ``error``."""
