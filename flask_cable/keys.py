"""The keys of one application: which setting they come from, and in what order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .errors import ConfigError
from .protocols.signing import MessageVerifier, derive_key

PAGES_SALT = "flask_cable/pages"


def stream_verifier(config: Mapping[str, Any]) -> MessageVerifier:
    """What signs names of streams in an application with this configuration.

    ``CABLE_SIGNED_STREAM_KEY`` is a key as it is. From ``CABLE_SECRET`` a key is derived, unless it is bytes;
    else from ``SECRET_KEY`` and ``SECRET_KEY_FALLBACKS``. Of several the first signs, and all verify.

    Raises:
        ConfigError: there is no secret at all.
    """
    if raw := _listed(config.get("CABLE_SIGNED_STREAM_KEY")):
        return MessageVerifier([_as_bytes(key) for key in raw])
    if secrets := _listed(config.get("CABLE_SECRET")):
        return MessageVerifier([one if isinstance(one, bytes) else derive_key(one) for one in secrets])
    secrets = [*_listed(config.get("SECRET_KEY")), *_listed(config.get("SECRET_KEY_FALLBACKS"))]
    if not config.get("SECRET_KEY"):
        raise ConfigError(
            "names of streams cannot be signed without a secret: set SECRET_KEY or CABLE_SECRET"
        )
    return MessageVerifier([derive_key(one) for one in secrets])


def page_key(config: Mapping[str, Any]) -> bytes:
    """What tells the pages of an application apart; from ``CABLE_SECRET``, else from ``SECRET_KEY``.

    Raises:
        ConfigError: there is no secret at all.
    """
    secrets = _listed(config.get("CABLE_SECRET")) or _listed(config.get("SECRET_KEY"))
    if not secrets:
        raise ConfigError("sockets of pages need a secret: set SECRET_KEY or CABLE_SECRET")
    return derive_key(secrets[0], PAGES_SALT)


def _listed(value: Any) -> list[str | bytes]:
    if not value:
        return []
    return [one for one in value if one] if isinstance(value, (list, tuple)) else [value]


def _as_bytes(key: str | bytes) -> bytes:
    return key.encode() if isinstance(key, str) else key
