"""Who may open a socket: the Origin policy that keeps other sites' pages out (no CSRF token can)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from flask import Request

DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
SCHEMES = {"ws": "http", "wss": "https"}


ELSEWHERE = ("cross-site", "same-site")
"""What browsers say in Sec-Fetch-Site of requests that a page of another origin has made."""


def refused_origin(request: Request, allowed: Any, needed: bool = True) -> str | None:
    """Say why a request's Origin is refused, with the header and the remedy; None when it may connect.

    An origin may connect when it equals the request's own scheme, host and port (which only ProxyFix takes
    from forwarded headers), or is among ``allowed``: strings, compiled patterns, ``"*"``.

    Args:
        needed: whether a request without one is refused. A browser's GET to its own page's origin has none,
            and what answers it only that page can read.
    """
    origin = request.headers.get("Origin")
    if origin is None and not needed:
        return _elsewhere(request)
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


def _elsewhere(request: Request) -> str | None:
    site = request.headers.get("Sec-Fetch-Site")
    return f"Sec-Fetch-Site is {site!r}, without an Origin to allow" if site in ELSEWHERE else None


def cors_headers(request: Request, allowed: Any, checked: bool = True) -> list[tuple[str, str]]:
    """The headers that let a page of another origin read an answer, cookies included where it is named.

    Anybody's page (``"*"``, or nothing checked) may, but not with the browser's cookies.
    """
    origin = request.headers.get("Origin")
    if origin is None:
        return [("Vary", "Origin")]
    rules = list(_rules(allowed))
    if any(rule != "*" and _allows(rule, origin) for rule in rules):
        found = [("Access-Control-Allow-Origin", origin), ("Access-Control-Allow-Credentials", "true")]
    elif "*" in rules or not checked:
        found = [("Access-Control-Allow-Origin", "*")]
    else:
        return [("Vary", "Origin")]
    if request.method == "OPTIONS":
        asked = request.headers.get("Access-Control-Request-Headers", "Content-Type")
        found.append(("Access-Control-Allow-Methods", "GET, POST"))
        found.append(("Access-Control-Allow-Headers", asked))
    return [*found, ("Vary", "Origin")]


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
