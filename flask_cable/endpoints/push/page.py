"""What is known of a page whose socket is there: who it is, what it hears, and up to where."""

from __future__ import annotations

from typing import NamedTuple

from ...core.connection import Connection
from ...protocols.frames import Frame
from .ledger import BEGINNING, Order, Place


class Push(NamedTuple):
    """One push as one page is sent it.

    Attributes:
        offset: its place in the log; 0 when it is in none.
        frame: what is sent.
        shared: whether it came by ``SHARED``.
    """

    offset: int
    frame: Frame
    shared: bool = False


class Hearing:
    """One page's ear for one stream: each push is sent once, those that were kept before new ones.

    Attributes:
        after: what was pushed up to there has been sent, or is none of the page's business.
        after_shared: the same for pushes that come by ``SHARED``.
        since: ``after_shared`` as it was in the beginning; what was pushed before is another ear's.
        held: what comes while the kept pushes are being fetched; None once they have been sent.
        lost, lost_shared: the first push that could not be sent; 0 while there is none.
    """

    __slots__ = ("after", "after_shared", "held", "lost", "lost_shared", "since")

    def __init__(self, place: Place) -> None:
        self.after, self.after_shared = place
        self.since = place.shared
        self.held: list[Push] | None = []
        self.lost = self.lost_shared = 0

    def send(self, connection: Connection, push: Push) -> None:
        """Send a push, unless it has been sent before."""
        offset, frame, shared = push
        if offset and offset <= (self.after_shared if shared else self.after):
            return
        if not connection.transport.send(frame):
            self.lose(push)

    def lose(self, push: Push) -> None:
        """A push could not be sent: it has not been heard when the page is back."""
        if push.shared:
            self.lost_shared = self.lost_shared or push.offset
        else:
            self.lost = self.lost or push.offset

    def sent(self, kept: list[Push]) -> None:
        """These have been fetched and sent; they will not be sent again when they come by themselves."""
        self.after = max([self.after, *(push.offset for push in kept if not push.shared)])
        self.after_shared = max([self.after_shared, *(push.offset for push in kept if push.shared)])

    def place(self, heard: int, heard_shared: int) -> Place:
        """Up to where the page has heard, in a process that has heard up to there."""
        own, shared = self.after, self.after_shared
        if self.held is None:
            own, shared = max(own, heard), max(shared, heard_shared)
        return Place(
            self.lost - 1 if self.lost else own, self.lost_shared - 1 if self.lost_shared else shared
        )


class Page:
    """The state of a page's connection.

    Attributes:
        digest: who it is; "" where it did not say so, or not in a form that could be right.
        known: whether a route of the application has made it; else it is deaf and may ask for nothing.
        loaded: whether that has been looked up.
        gone: whether it has left all streams, and joins none.
        joined: whether the application has been told of it.
        alone: its ear for what concerns it alone.
        hearings: its ears by stream, in the order of subscription.
        orders: the last order that was carried out.
        behind: streams that it is about to be sent what was kept of.
        early: its own messages that came before it was looked up, and the orders.
        calls_until: until when the routes that it has called are paid for.
    """

    __slots__ = (
        "alone",
        "behind",
        "calls_until",
        "digest",
        "early",
        "early_orders",
        "gone",
        "hearings",
        "joined",
        "known",
        "loaded",
        "orders",
    )

    def __init__(self, digest: str) -> None:
        self.digest = digest
        self.known = self.loaded = self.joined = self.gone = False
        self.alone = Hearing(BEGINNING)
        self.hearings: dict[str, Hearing] = {}
        self.orders = -1
        self.behind: list[str] = []
        self.early: list[str | bytes] = []
        self.early_orders: list[tuple[int, Order]] = []
        self.calls_until = 0.0
