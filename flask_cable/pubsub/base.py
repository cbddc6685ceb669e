"""The port to other processes: what an adapter promises. Its contract is tested in one suite for all."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

from ..errors import BusError
from .store import Store

Callback = Callable[[str], object]
MakeEvent = Callable[[], Any]
Done = Callable[[BusError | None], object]


class Watcher(NamedTuple):
    """Who is told how an adapter fares, from any thread; must not block.

    Attributes:
        lost: called with what went wrong; from now on messages may be missed.
        restored: called with the seconds since then; every stream is heard again.
    """

    lost: Callable[[BusError], object]
    restored: Callable[[float], object]


class PubSub(ABC):
    """Carries messages of streams between processes, this one included.

    Messages are text. One publisher's messages to one stream arrive in their order. Callbacks must not
    block; one that raises starves nobody. They are called on any thread, and of several publishers' messages
    perhaps on several at once.

    Attributes:
        name: what it is called in log lines; never a URL with a password.
        is_shared: whether messages reach other processes.
        is_remote: whether there is a server to wait for: then ``publish`` belongs on a worker.
        timeout: seconds after which ``publish`` gives up.
    """

    name = "pub/sub"
    is_shared = True
    is_remote = False
    timeout = 0.0

    @property
    @abstractmethod
    def store(self) -> Store:
        """What the processes share beside messages, on the same server; made with the first use."""

    @abstractmethod
    def publish(self, stream: str, message: str, make_event: MakeEvent = threading.Event) -> None:
        """Send ``message`` to every callback that is subscribed to ``stream``, in every process.

        Args:
            make_event: what the caller waits with, as ``threading.Event`` or gevent's.

        Raises:
            BusError: the server did not take it in time; whether anybody hears it is not known.
        """

    def post(self, stream: str, message: str, done: Done | None = None) -> None:
        """Publish without waiting, after all that was posted before.

        ``done(error)`` is called once, from any thread, perhaps before this returns.
        """
        self.publish(stream, message)
        if done is not None:
            done(None)

    @abstractmethod
    def subscribe(self, stream: str, callback: Callback, on_live: Callable[[], object] | None = None) -> int:
        """Call ``callback(message)`` from now on. Does not wait for a server.

        ``on_live`` is called once no message can be missed any more, perhaps before this returns.
        Returns the number that ``unsubscribe`` wants.

        Raises:
            UnicodeEncodeError: the server cannot be told of such a name.
        """

    @abstractmethod
    def unsubscribe(self, subscription: int) -> bool:
        """No more calls, not even in a publish that is under way; False for an unknown number."""

    @abstractmethod
    def subscriber_count(self, stream: str) -> int:
        """How many callbacks this process has on ``stream``."""

    @property
    def is_live(self) -> bool:
        """Whether what is published now is heard here."""
        return True

    @property
    def is_lost(self) -> bool:
        """Whether the server is known to be out of reach; before the first try it is neither."""
        return False

    def watch(self, watcher: Watcher) -> None:  # noqa: B027 - what has no server loses none
        """Tell ``watcher`` of every outage, the present one first."""

    def stop(self) -> None:  # noqa: B027 - an adapter without connections has nothing to stop
        """Give back connections; nothing is delivered afterwards."""
