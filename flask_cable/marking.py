"""What a page bears of its socket: an attribute of its ``<body>``, and that no cache may keep it."""

from __future__ import annotations

import re

from flask import Response

ATTRIBUTE = "data-socket-connection-id"
_TAG_REST = rb"""(?:[^"'>]|"[^"]*(?:"|\Z)|'[^']*(?:'|\Z))*(?:>|\Z)"""
_BODY = (
    re.compile(  # what is never closed goes on to the end, as in a browser: so each byte is looked at once
        rb"<!--(?:-?>|.*?(?:--!?>|\Z))"
        rb"|<(script|style|title|textarea|template|noscript)(?=[\s/>]).*?(?:</\1(?=[\s/>])|\Z)"
        rb"|<(?P<body>body)(?=[\s/>])" + _TAG_REST + rb"|<[a-z!/?]" + _TAG_REST,
        re.IGNORECASE | re.DOTALL,
    )
)


def mark(response: Response, connection_id: str) -> None:
    """Write a page's id on its ``<body>``; what is no whole HTML page in memory stays as it is."""
    if not _is_page(response):
        return
    html = response.get_data()
    body = next((found for found in _BODY.finditer(html) if found["body"]), None)
    if body is not None and ATTRIBUTE.encode() not in body[0].lower():
        attribute = f' {ATTRIBUTE}="{connection_id}"'.encode()
        response.set_data(html[: body.end("body")] + attribute + html[body.end("body") :])


def _is_page(response: Response) -> bool:
    charset = response.mimetype_params.get("charset", "utf-8").lower()
    return (
        response.mimetype in ("text/html", "application/xhtml+xml")
        and not charset.startswith(("utf-16", "utf-32"))
        and not (response.is_streamed or response.direct_passthrough)
        and "Content-Encoding" not in response.headers
    )


def keep_out_of_caches(response: Response) -> None:
    """Let no cache keep a response that bears an id: whoever was given it again would share it.

    Nor is it to be asked whether it is still good: it is good once.
    """
    for validator in ("ETag", "Last-Modified"):
        response.headers.pop(validator, None)
    control = response.cache_control
    control.public = False
    control.max_age = control.s_maxage = None
    control.private = control.no_store = True
