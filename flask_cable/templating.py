"""Jinja helpers: where a page's client finds the cable, what it hears, and what everybody may see."""

from __future__ import annotations

import re
from collections import ChainMap
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import quote

from flask import Flask, current_app, has_app_context, has_request_context, request
from jinja2 import Environment
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from .assets import script_path
from .errors import NotReady
from .signed_streams import StreamsChannel, registered_name

if TYPE_CHECKING:
    from .runtime import CableState

_ATTRIBUTE = re.compile(r"[a-z][a-z0-9_-]*")


def cable_url() -> str:
    """The path of the cable's route, below the application's root."""
    path: str = current_app.config["CABLE_MOUNT_PATH"]
    return f"{_root()}{path}"


def _root() -> str:
    return request.script_root if has_request_context() else ""


def cable_meta_tag() -> Markup:
    """``<meta name="action-cable-url" ...>``, which @rails/actioncable reads."""
    return Markup('<meta name="action-cable-url" content="{}">').format(cable_url())


def cable_script_url() -> str:
    """Where ``cable.js`` is, in the version that this process has; browsers keep it for good."""
    path = script_path(current_app.config["CABLE_MOUNT_PATH"])
    return f"{_root()}{path}?v={state_of_current_app().script.version}"


def cable_script(nonce: str | None = None, import_map: bool = True) -> Markup:
    """Load ``cable.js``, and let the page's own modules import it as ``"flask-cable"``.

    Args:
        nonce: what a Content-Security-Policy with nonces wants to see.
        import_map: False where the page has an import map of its own, or may have no inline scripts.
    """
    url = cable_script_url()
    proof = Markup(' nonce="{}"').format(nonce) if nonce else Markup("")
    parts = [cable_meta_tag()]
    if import_map:
        known = htmlsafe_json_dumps({"imports": {"flask-cable": url}})
        parts.append(Markup('<script type="importmap"{}>{}</script>').format(proof, known))
    parts.append(Markup('<script type="module" src="{}"{}></script>').format(url, proof))
    return Markup("\n").join(parts)


def turbo_stream_from(*streams: Any, channel: Any = StreamsChannel, **attributes: Any) -> Markup:
    """Let the page hear a stream: ``{{ turbo_stream_from(board) }}``, with turbo-rails' JavaScript on it.

    Args:
        streams: the parts of one stream's name, as for ``broadcasting_for``.
        channel: another channel that verifies signed names.
        attributes: more attributes of the element; ``data_room=1`` is the channel's parameter ``room``.

    Raises:
        ConfigError: there is no secret to sign names with.
    """
    return _stream_source("turbo-cable-stream-source", streams, channel, attributes)


def cable_stream_from(*streams: Any, channel: Any = StreamsChannel, **attributes: Any) -> Markup:
    """Let the page hear a stream with ``cable_script()`` on it, whether it has Turbo or not.

    Args and errors are those of ``turbo_stream_from``.
    """
    return _stream_source("cable-stream-source", streams, channel, attributes)


def _stream_source(
    element: str, streams: tuple[Any, ...], channel: Any, attributes: dict[str, Any]
) -> Markup:
    signed = state_of_current_app().cable.signed_stream_name(*streams)
    found = {"channel": registered_name(channel), "signed-stream-name": signed}
    found.update({name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()})
    written = Markup("").join(_attribute(name, value) for name, value in found.items())
    return Markup("<{0}{1}></{0}>").format(element, written)


def _attribute(name: str, value: Any) -> Markup:
    if not _ATTRIBUTE.fullmatch(name):
        raise ValueError(f"{name!r} is no attribute of an element")
    if value is None or value is False:
        return Markup("")
    return Markup(' {}="{}"').format(name, "" if value is True else value)


def state_of_current_app() -> CableState:
    """The current application's cable. Raises ``NotReady`` where there is none."""
    if not has_app_context():
        raise NotReady("there is no application here: use `with app.app_context():`")
    state: CableState | None = current_app.extensions.get("cable")
    if state is None:
        raise NotReady("this application has no Cable: call cable.init_app(app) first")
    return state


# What goes to everybody.


def render_broadcast(template: str, **context: Any) -> Markup:
    """Render a template for everybody who hears a stream.

    It sees what is passed, and what the environment has for all: filters, globals, ``url_for``. It does not
    see whose request or connection happens to cause the broadcast: ``request``, ``session`` and ``g`` are
    None, and context processors do not run. Everything is escaped, whatever the file's name ends with.
    """
    return Markup(state_of_current_app().templates.get_template(template).render(context))


def shared_environment(app: Flask) -> Environment:
    """An application's Jinja environment, without what belongs to one person."""
    environment = app.jinja_env.overlay(autoescape=True)
    hidden = {
        "request": None,
        "session": None,
        "g": None,
        "get_flashed_messages": _personal("get_flashed_messages"),
        "csrf_token": _personal("csrf_token"),
        "url_for": _url_for,
    }
    environment.globals = ChainMap(hidden, app.jinja_env.globals)  # type: ignore[assignment]
    return environment


def _personal(name: str) -> Any:
    def refuse(*args: Any, **options: Any) -> NoReturn:
        raise RuntimeError(f"{name}() is one person's, and what is broadcast goes to everybody")

    return refuse


def _url_for(endpoint: str, **values: Any) -> str:
    """A path, as in a page, wherever the broadcast is made: in a request, a channel's action or a shell."""
    app = current_app
    if has_request_context() or app.config["SERVER_NAME"] or "_external" in values:
        return app.url_for(endpoint, **{"_external": False, **values})
    app.inject_url_defaults(endpoint, values)
    anchor = values.pop("_anchor", None)
    adapter = app.url_map.bind("localhost", script_name=app.config["APPLICATION_ROOT"])
    path = adapter.build(endpoint, values)
    return path if anchor is None else f"{path}#{quote(anchor)}"
