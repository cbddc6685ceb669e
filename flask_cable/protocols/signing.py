"""Signed values: ``base64(JSON) + "--" + hex(HMAC-SHA256)``, as Rails and AnyCable write and read them.

Whoever holds such a text can show that this application gave it out; it hides nothing and does not expire.
Source: ActiveSupport ``message_verifier.rb``, ``key_generator.rb``; AnyCable ``signed streams``.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Any

TURBO_SALT = "turbo/signed_stream_verifier_key"
ITERATIONS = 1000
KEY_BYTES = 64


def derive_key(secret: str | bytes, salt: str = TURBO_SALT) -> bytes:
    """A key for one purpose, from the secret for all; the same that Rails derives from its own."""
    password = secret.encode() if isinstance(secret, str) else secret
    return hashlib.pbkdf2_hmac("sha256", password, salt.encode(), ITERATIONS, KEY_BYTES)


class MessageVerifier:
    """Signs with the first key; what any of the keys signed is accepted.

    Raises:
        ValueError: without a key, or with an empty one.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys or not all(keys):
            raise ValueError("a verifier needs keys that are not empty")
        self._keys = tuple(keys)

    def sign(self, value: Any) -> str:
        """Sign a value that has a JSON form."""
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        encoded = base64.b64encode(text.encode())
        return f"{encoded.decode()}--{_digest(self._keys[0], encoded)}"

    def verified(self, signed: Any) -> Any:
        """The value that was signed; None for everything else, whatever it is.

        A value that was signed for a purpose, or until some time (``{"_rails": ...}``), is refused: nobody
        here asks for one, and it must not serve for another.
        """
        if not isinstance(signed, str) or not signed.isascii():
            return None
        encoded, _, digest = signed.rpartition("--")
        if not any(self._is_signed(key, encoded.encode(), digest) for key in self._keys):
            return None
        value = _decoded(encoded)
        return None if isinstance(value, dict) and "_rails" in value else value

    @staticmethod
    def _is_signed(key: bytes, encoded: bytes, digest: str) -> bool:
        return hmac.compare_digest(_digest(key, encoded), digest)


def _digest(key: bytes, encoded: bytes) -> str:
    return hmac.new(key, encoded, hashlib.sha256).hexdigest()


def _decoded(encoded: str) -> Any:
    try:
        return json.loads(base64.b64decode(encoded, validate=True))
    except (binascii.Error, ValueError, RecursionError):
        return None
