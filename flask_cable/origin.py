"""Who may open a socket: the Origin policy that keeps other sites' pages out (no CSRF token can)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from flask import Request

DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
SCHEMES = {"ws": "http", "wss": "https"}


def refused_origin(request: Request, allowed: Any) -> str | None:
    """Say why a handshake's Origin is refused, with the header and the remedy; None when it may connect.

    An origin may connect when it equals the request's own scheme, host and port (which only ProxyFix takes
    from forwarded headers), or is among ``allowed``: strings, compiled patterns, ``"*"``.
    """
    origin = request.headers.get("Origin")
    if origin is None:
        return (
            "no Origin header, so not a browser that can be told apart; "
            "let the client send one, or set CABLE_CHECK_ORIGIN = False if no browser holds a session here"
        )
    if _own(request) == _normal(origin) or any(_allows(rule, origin) for rule in _rules(allowed)):
        return None
    return (
        f"Origin {origin!r} is not this application's own {request.scheme}://{request.host} (from the Host "
        f"header); set CABLE_ALLOWED_ORIGINS = [{origin!r}] if it may connect, or apply ProxyFix if a proxy "
        "changed host or scheme"
    )


def _rules(allowed: Any) -> Iterable[Any]:
    return allowed if isinstance(allowed, (list, tuple, set, frozenset)) else (allowed,)


def _allows(rule: Any, origin: str) -> bool:
    if isinstance(rule, str):
        return rule == "*" or _normal(rule) == _normal(origin)
    return rule.fullmatch(origin) is not None


def _own(request: Request) -> tuple[str, str | None, int | None] | None:
    return _normal(f"{request.scheme}://{request.host}")


def _normal(origin: str) -> tuple[str, str | None, int | None] | None:
    try:
        parts = urlsplit(origin)
        scheme = SCHEMES.get(parts.scheme, parts.scheme)
        return scheme, parts.hostname, parts.port or DEFAULT_PORTS.get(scheme)
    except ValueError:  # a port that is none
        return None
