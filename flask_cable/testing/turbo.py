"""Turbo Streams as a test sees them: the elements that were broadcast, and what a page subscribes to.

Reads HTML as Turbo's JavaScript does. Called by ``client.py`` and ``connection.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

from ..protocols.turbo import check

Attributes = list[tuple[str, str | None]]


@dataclass(frozen=True)
class TurboElement:
    """One ``<turbo-stream>``.

    Attributes:
        content: the HTML of its template; None where it has none.
        attributes: all of its attributes but action, target and targets.
    """

    action: str
    target: str | None = None
    targets: str | None = None
    content: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)


def elements_of(message: Any) -> list[TurboElement]:
    """The elements in one broadcast: of a message, or of a string of HTML; of anything else none."""
    if isinstance(message, str):
        reader = _Elements(message)
        return [_element(attributes, content) for attributes, content in reader.found]
    if not isinstance(message, dict) or "action" not in message:
        return []
    check(message)
    content = message.get("content")
    given = {name: str(value) for name, value in message.items() if name != "content"}
    return [_element(given, None if content is None else str(content))]


def _element(attributes: dict[str, str], content: str | None) -> TurboElement:
    rest = dict(attributes)
    action, target, targets = (rest.pop(name, None) for name in ("action", "target", "targets"))
    return TurboElement(action or "", target, targets, content, rest)


def sources_of(html: str) -> list[dict[str, str]]:
    """The parameters of what a page subscribes to, by its stream sources, Turbo's and ours."""
    reader = _Sources()
    reader.feed(html)
    reader.close()
    return reader.found


class _Sources(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[dict[str, str]] = []

    def handle_starttag(self, tag: str, attrs: Attributes) -> None:
        if tag in ("turbo-cable-stream-source", "cable-stream-source"):
            self.found.append({_param(name): value for name, value in _texts(attrs).items() if _param(name)})


def _param(attribute: str) -> str:
    """What an attribute of a source is called among its parameters; nothing for any other attribute."""
    own = attribute in ("channel", "signed-stream-name")
    name = attribute if own else attribute.removeprefix("data-")
    return name.replace("-", "_") if own or name != attribute else ""


class _Elements(HTMLParser):
    """Finds elements, and what is between a template's tags, as it is written."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[dict[str, str], str | None]] = []
        self._attributes: dict[str, str] | None = None
        self._content: str | None = None
        self._depth = 0
        self._begin = 0
        self._html = html
        self._lines = [0]
        for line in html.split("\n"):
            self._lines.append(self._lines[-1] + len(line) + 1)
        self.feed(html)
        self.close()

    def _here(self) -> int:
        line, column = self.getpos()
        return self._lines[line - 1] + column

    def handle_starttag(self, tag: str, attrs: Attributes) -> None:
        if tag == "turbo-stream" and not self._depth:
            self._attributes, self._content = _texts(attrs), None
        elif tag == "template" and self._attributes is not None:
            self._depth += 1
            if self._depth == 1:
                self._begin = self._here() + len(self.get_starttag_text() or "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "template" and self._depth:
            self._depth -= 1
            if not self._depth:
                self._content = self._html[self._begin : self._here()]
        elif tag == "turbo-stream" and self._attributes is not None and not self._depth:
            self.found.append((self._attributes, self._content))
            self._attributes = None


def _texts(attrs: Attributes) -> dict[str, str]:
    return {name: value or "" for name, value in attrs}
