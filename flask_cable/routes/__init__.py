"""Routes: where each style of server code meets a URL. A style's file has its ``Route`` and nothing else."""

from .base import Route, plain
from .channels import ChannelsRoute

__all__ = ["ChannelsRoute", "Route", "plain"]
