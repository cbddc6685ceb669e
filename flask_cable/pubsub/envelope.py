"""What a message looks like between processes: a mark, with a secret a signature, and the text.

Called by the networked adapters. Never anything but text: nothing that is read here can run.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

MARK = b"c1"
SIGNATURE = 64
"""Hex digits of HMAC-SHA256."""


class Envelope:
    """Wraps and unwraps messages: ``c1:text``, or ``c1<64 hex digits>:text`` when there is a secret.

    Args:
        secrets: the first signs; each of them verifies, so that a new one can be introduced. Without any,
            everything that bears the mark is taken.
    """

    def __init__(self, secrets: Sequence[str | bytes] = ()) -> None:
        self._keys = [secret.encode() if isinstance(secret, str) else secret for secret in secrets]

    def wrap(self, name: str, message: str) -> bytes:
        """What is to be sent to the address ``name``.

        Raises:
            UnicodeEncodeError: the text cannot be sent as UTF-8.
        """
        text = message.encode()
        if not self._keys:
            return b"c1:" + text
        return b"%b%b:%b" % (MARK, _signature(self._keys[0], name, text), text)

    def unwrap(self, name: str, payload: bytes) -> str | None:
        """The message in ``payload``; None for what is foreign, malformed or not signed as it has to be."""
        head, colon, text = payload.partition(b":")
        if not colon or head[:2] != MARK or len(head) not in (2, 2 + SIGNATURE):
            return None
        if self._keys and not self._is_signed(head[2:], name, text):
            return None
        try:
            return text.decode()
        except UnicodeDecodeError:
            return None

    def _is_signed(self, signature: bytes, name: str, text: bytes) -> bool:
        return any(hmac.compare_digest(signature, _signature(key, name, text)) for key in self._keys)


def _signature(key: bytes, name: str, text: bytes) -> bytes:
    address = name.encode()
    return hmac.new(key, b"%d:%b%b" % (len(address), address, text), hashlib.sha256).hexdigest().encode()
