"""Turbo Streams in templates and HTTP responses: ``turbo_stream.append("posts", ...)``.

What is rendered here belongs to the response, so it may show what only its reader may see. What goes to
everybody is rendered by ``render_broadcast`` and by models (``broadcasting``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Request, Response, current_app, has_request_context, render_template, request
from markupsafe import Markup

from .protocols.turbo import MIME, REQUEST_ID, dom_id, element, message
from .signed_streams import SignedStreamsChannel, StreamsChannel
from .templating import render_broadcast, turbo_stream_from

__all__ = [
    "SignedStreamsChannel",
    "StreamsChannel",
    "can_turbo_stream",
    "dom_id",
    "render_broadcast",
    "turbo_message",
    "turbo_request_id",
    "turbo_stream",
    "turbo_stream_from",
    "turbo_stream_response",
]

LONGEST_REQUEST_ID = 100
"""Characters; Turbo's are UUIDs of 36."""


class TurboStream:
    """Makes ``<turbo-stream>`` elements.

    ``target`` is the ``id`` of an element, or a record, whose ``dom_id`` it is; ``targets`` is a CSS
    selector instead. Content is markup, or text, which is escaped; or a template with its variables; or in
    Jinja the body of ``{% call turbo_stream.append("posts") %}...{% endcall %}``.

    Every method raises ``ValueError`` for what Turbo could not carry out.
    """

    def append(self, target: Any = None, content: Any = None, **options: Any) -> Markup:
        """Add content at the end of the target."""
        return _with_content("append", target, content, **options)

    def prepend(self, target: Any = None, content: Any = None, **options: Any) -> Markup:
        """Add content at the beginning of the target."""
        return _with_content("prepend", target, content, **options)

    def before(self, target: Any = None, content: Any = None, **options: Any) -> Markup:
        """Put content before the target."""
        return _with_content("before", target, content, **options)

    def after(self, target: Any = None, content: Any = None, **options: Any) -> Markup:
        """Put content after the target."""
        return _with_content("after", target, content, **options)

    def replace(self, target: Any = None, content: Any = None, **options: Any) -> Markup:
        """Put content in the target's place; with ``method="morph"`` only what differs is changed."""
        return _with_content("replace", target, content, **options)

    def update(self, target: Any = None, content: Any = None, **options: Any) -> Markup:
        """Put content into the target; with ``method="morph"`` only what differs is changed."""
        return _with_content("update", target, content, **options)

    def remove(self, target: Any = None, *, targets: str | None = None) -> Markup:
        """Remove the target."""
        return Markup(element(message("remove", target, targets=targets)))

    def refresh(
        self, *, method: str | None = None, scroll: str | None = None, request_id: str | None = None
    ) -> Markup:
        """Load the page again: ``method`` is morph or replace, ``scroll`` is preserve or reset.

        The page that made the request ``request_id`` lately is not loaded again.
        """
        return Markup(element(message("refresh", method=method, scroll=scroll, request_id=request_id)))

    def action(
        self,
        name: str,
        target: Any = None,
        content: Any = None,
        *,
        targets: str | None = None,
        caller: Callable[[], Any] | None = None,
        **attributes: Any,
    ) -> Markup:
        """Any other action, which the page has added to Turbo's ``StreamActions``."""
        content = Markup(caller()) if caller is not None else content
        return Markup(element(message(name, target, content, targets=targets, **attributes)))


turbo_stream = TurboStream()

turbo_message = message
"""Makes a message, as models broadcast it: a dict that ``turbo_stream`` would write as an element."""


def _with_content(
    action: str,
    target: Any,
    content: Any,
    *,
    targets: str | None = None,
    method: str | None = None,
    **options: Any,
) -> Markup:
    content = content_of(content, options, render_template)
    return Markup(element(message(action, target, content, targets=targets, method=method)))


def content_of(content: Any, options: dict[str, Any], render: Callable[..., str]) -> Any:
    """The content that is given, or what a template or a block of Jinja makes of the other options.

    Raises:
        TypeError: content twice, or variables without a template for them.
    """
    template, caller = options.pop("template", None), options.pop("caller", None)
    if options and template is None:
        raise TypeError(f"{', '.join(options)}: variables need a template=")
    given = [one for one in (content, template, caller) if one is not None]
    if len(given) > 1:
        raise TypeError("content, a template or a block: one of them")
    if template is not None:
        return Markup(render(template, **options))
    return Markup(caller()) if caller is not None else content


# Requests and responses.


def can_turbo_stream(request: Request | None = None) -> bool:
    """Whether a request asks for Turbo Streams, as Turbo's do after a form was sent; ``*/*`` does not."""
    accepted = _request(request).accept_mimetypes
    return any(value.lower() == MIME and quality > 0 for value, quality in accepted)


def turbo_stream_response(*elements: str, status: int = 200) -> Response:
    """Answer with elements, which the page carries out; each is HTML, as ``turbo_stream`` makes it.

    The response varies with ``Accept``, so that caches keep it apart from the page's.
    """
    response: Response = current_app.response_class("\n".join(elements), status, mimetype=MIME)
    response.vary.add("Accept")
    return response


def turbo_request_id() -> str | None:
    """What the page calls the current request, or None; it does not refresh itself for its own."""
    found = request.headers.get(REQUEST_ID) if has_request_context() else None
    return found if found and len(found) <= LONGEST_REQUEST_ID else None


def _request(given: Request | None) -> Request:
    return request if given is None else given
