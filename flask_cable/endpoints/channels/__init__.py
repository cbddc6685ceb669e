"""Channel classes over the Action Cable protocol.

``channel.py`` is what users subclass, ``actions.py`` what a peer may call on it, ``timers.py`` its periodic
timers, ``handler.py`` the protocol's commands.
"""

from .channel import Channel
from .handler import ChannelLimits, ChannelsHandler
from .timers import periodically

__all__ = ["Channel", "ChannelLimits", "ChannelsHandler", "periodically"]
