"""The port to other processes: what an adapter promises. Its contract is tested in one suite for all."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from .store import Store


class PubSub(ABC):
    """Carries messages of streams between processes, this one included.

    Messages are text. One publisher's messages to one stream arrive in their order. Callbacks must not
    block; one that raises starves nobody.
    """

    is_shared = True
    """Whether messages reach other processes."""

    @property
    @abstractmethod
    def store(self) -> Store:
        """What the processes share beside messages, on the same server; made with the first use."""

    @abstractmethod
    def publish(self, stream: str, message: str) -> None:
        """Send ``message`` to every callback that is subscribed to ``stream``, in every process."""

    @abstractmethod
    def subscribe(
        self, stream: str, callback: Callable[[str], object], on_live: Callable[[], object] | None = None
    ) -> int:
        """Call ``callback(message)`` from now on.

        ``on_live`` is called once no message can be missed any more, perhaps before this returns.
        Returns the number that ``unsubscribe`` wants.
        """

    @abstractmethod
    def unsubscribe(self, subscription: int) -> bool:
        """No more calls, not even in a publish that is under way; False for an unknown number."""

    @abstractmethod
    def subscriber_count(self, stream: str) -> int:
        """How many callbacks this process has on ``stream``."""

    def stop(self) -> None:  # noqa: B027 - an adapter without connections has nothing to stop
        """Give back connections; nothing is delivered afterwards."""
