"""What a test did not expect: a handshake that was refused, and the words of failed assertions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from werkzeug.test import TestResponse

from ..errors import CableError

if TYPE_CHECKING:
    from .peer import CablePeer


class HandshakeRefused(CableError):
    """The handshake was answered with an ordinary HTTP response.

    Attributes:
        status: its status code.
        body: its text.
        response: all of it.
        rejected: False, for it was not ``connect`` that refused.
    """

    rejected = False

    def __init__(self, response: TestResponse) -> None:
        self.response = response
        self.status: int = response.status_code
        self.body: str = response.get_data(as_text=True)
        super().__init__(f"the handshake was answered with {response.status}: {self.body.strip()[:500]}")


def told(outcome: CablePeer | HandshakeRefused) -> str:
    """What became of a connection, for the message of a failed assertion."""
    if isinstance(outcome, HandshakeRefused):
        return str(outcome)
    if outcome.rejected:
        return "the connection was refused by `connect`"
    if outcome.closed_with is not None:
        message = getattr(outcome, "disconnect_message", None)
        return f"the connection was closed with {outcome.closed_with}{f': {message}' if message else ''}"
    return "the connection was accepted"


def listed(found: Iterable[Any]) -> str:
    return "".join(f"\n  {each!r}" for each in found) or "none"
