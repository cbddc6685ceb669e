"""``<turbo-stream>`` elements, as messages and as HTML.

A message is ``{"action": "append", "target": "posts", "content": "<li>...</li>"}``, which any script can
carry out; other keys are the element's attributes. ``element`` writes the same for Turbo. Content is HTML
here: ``markup_of`` has escaped what was not. Source: turbo-rails ``action_helper.rb``, Turbo 8.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from html import escape
from typing import Any

from ..streams import underscored

MIME = "text/vnd.turbo-stream.html"
REQUEST_ID = "X-Turbo-Request-Id"

WITH_CONTENT = frozenset(("append", "prepend", "replace", "update", "before", "after"))
BARE = frozenset(("remove", "refresh"))

# What Turbo takes for these attributes; anything else it would take for their absence.
METHODS = {"replace": ("morph",), "update": ("morph",), "refresh": ("morph", "replace")}
SCROLLS = ("preserve", "reset")

_ATTRIBUTE = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_SCALARS = (str, int, float)


def markup_of(content: Any) -> str:
    """Content as HTML, by the convention of Jinja: markup stays as it is, anything else is text.

    Markup is what has ``__html__``, as ``markupsafe.Markup`` does. A plain string is text, whatever is in it.
    """
    if content is None:
        return ""
    if hasattr(content, "__html__"):
        return str(content.__html__())
    return escape(str(content))


def dom_id(record: Any, prefix: str = "") -> str:
    """The ``id`` of a record's element: ``Post`` with id 7 is ``post_7``, with a prefix ``edit_post_7``.

    One whose id is None is ``new_post``; what has no ``id`` at all, as a string, is itself.
    """
    if not hasattr(record, "id"):
        return str(record)
    name = underscored(type(record).__name__)
    if record.id is None:
        return f"{prefix or 'new'}_{name}"
    return f"{prefix}_{name}_{record.id}" if prefix else f"{name}_{record.id}"


def message(
    action: str, target: Any = None, content: Any = None, *, targets: str | None = None, **attributes: Any
) -> dict[str, Any]:
    """Make a message.

    Args:
        action: one of Turbo's eight, or a custom one.
        target: the ``id`` of an element, or a record, whose ``dom_id`` it is.
        content: markup, or text, which is escaped.
        targets: a CSS selector, instead of ``target``.
        attributes: the element's others; ``request_id`` is ``request-id``, and None leaves one out.

    Raises:
        ValueError: the action cannot be carried out like that; the message says why.
    """
    made: dict[str, Any] = {"action": action}
    if target is not None:
        made["target"] = dom_id(target)
    if targets is not None:
        made["targets"] = targets
    if action in WITH_CONTENT or (content is not None and action not in BARE):
        made["content"] = markup_of(content)
    made.update({name.replace("_", "-"): value for name, value in attributes.items() if value is not None})
    check(made)
    return made


def check(made: Mapping[str, Any]) -> None:
    """Raise ``ValueError`` for a message that Turbo could not carry out, or that makes no element."""
    action, names = made.get("action"), made.keys()
    if not isinstance(action, str) or not action.strip():
        raise ValueError("a Turbo Stream needs an action, which is a string")
    if len(names & {"target", "targets"}) != _targets_wanted(action, names):
        raise ValueError(f"{action} takes {'no target' if action == 'refresh' else 'a target, or targets'}")
    for name, value in made.items():
        if not _ATTRIBUTE.fullmatch(name) or not isinstance(value, _SCALARS):
            raise ValueError(f"{action}: {name}={value!r} is no attribute of an element")
    _check_choice(made, "method", METHODS.get(action))
    _check_choice(made, "scroll", SCROLLS if action == "refresh" else None)


def _targets_wanted(action: str, names: Any) -> int:
    if action == "refresh":
        return 0
    if action in WITH_CONTENT or action in BARE:
        return 1
    return 1 if names & {"target", "targets"} else 0  # a custom action may do with or without


def _check_choice(made: Mapping[str, Any], name: str, choices: tuple[str, ...] | None) -> None:
    if choices is not None and made.get(name, choices[0]) not in choices:
        raise ValueError(f"{made['action']}: {name} is {' or '.join(choices)}, not {made[name]!r}")


def element(made: Mapping[str, Any]) -> str:
    """Write a message as ``<turbo-stream ...><template>...</template></turbo-stream>``."""
    attributes = "".join(_attribute(name, value) for name, value in made.items() if name != "content")
    content = made.get("content")
    template = "" if content is None else f"<template>{content}</template>"
    return f"<turbo-stream{attributes}>{template}</turbo-stream>"


def _attribute(name: str, value: Any) -> str:
    if value is True or value is False:
        return f' {name}=""' if value else ""
    return f' {name}="{escape(str(value))}"'


def as_html(body: bytes) -> bytes | None:
    """A broadcast's JSON as Turbo's: a string of HTML stays, a message becomes one, and nothing else counts.

    Raises:
        ValueError: it has an action, but is no message.
    """
    if body[:1] == b'"':
        return body
    made = json.loads(body)
    if not isinstance(made, dict) or "action" not in made:
        return None
    check(made)
    return json.dumps(element(made), ensure_ascii=False).encode()
