"""Pages with cable.js on them, under a Content-Security-Policy that lets nothing in but what has the nonce.

``/`` hears the stream "board"; with ``?turbo`` Turbo is on it. ``POST /broadcast`` sends Turbo Streams there.
"""

from __future__ import annotations

import secrets
from typing import Any

from flask import Flask, Response, g, render_template_string, request, send_file
from flask.typing import ResponseReturnValue

from flask_cable import Cable, Channel
from support.parts import NODE_MODULES

cable = Cable()

PAGE = """<!doctype html>
<html lang="en">
<head>
  <title>board</title>
  {{ cable_script(nonce=g.nonce) }}
  {% if turbo %}<script type="module" src="/turbo.js" nonce="{{ g.nonce }}"></script>{% endif %}
  <script type="module" nonce="{{ g.nonce }}">
    import * as cable from "flask-cable"
    window.cable = cable
    window.loaded = (Number(sessionStorage.loaded) || 0) + 1
    sessionStorage.loaded = window.loaded
  </script>
</head>
<body>
  {{ cable_stream_from("board", id="source", data_page_size=5) }}
  <ul id="notes"><li id="note_1">one</li><li class="odd">two</li></ul>
  <table><tbody id="rows"></tbody></table>
</body>
</html>"""


@cable.channel
class MathChannel(Channel):
    """Returns something."""

    def add(self, data: dict[str, Any]) -> int:
        return sum(data["numbers"])


def create_app() -> Flask:
    """Return the application."""
    app = Flask(__name__)
    app.config["SECRET_KEY"] = "cable.js"
    app.config.from_prefixed_env()
    app.add_url_rule("/", view_func=home)
    app.add_url_rule("/turbo.js", view_func=turbo)
    app.add_url_rule("/broadcast", view_func=broadcast, methods=["POST"])
    app.add_url_rule("/count", view_func=count)
    app.after_request(protect)
    cable.init_app(app)
    return app


def home() -> ResponseReturnValue:
    """A page that hears the board."""
    g.nonce = secrets.token_urlsafe()
    return render_template_string(PAGE, turbo="turbo" in request.args)


def turbo() -> ResponseReturnValue:
    """Turbo itself."""
    return send_file(NODE_MODULES / "@hotwired/turbo/dist/turbo.es2017-esm.js", mimetype="text/javascript")


def broadcast() -> ResponseReturnValue:
    """Broadcast each of the elements, or messages, in order."""
    for each in request.get_json():
        cable.broadcast("board", each)
    return "", 204


def count() -> ResponseReturnValue:
    """The connections' ids, and their subscriptions."""
    states = [connection.state or {} for connection in cable.connections.values()]
    return {"connections": list(cable.connections), "subscriptions": [list(state) for state in states]}


def protect(response: Response) -> Response:
    """Let the page load what has the nonce, connect to its own server, and nothing else."""
    if "nonce" in g:
        allowed = f"script-src 'nonce-{g.nonce}'; style-src 'nonce-{g.nonce}'; connect-src 'self' ws:"
        response.headers["Content-Security-Policy"] = f"default-src 'none'; base-uri 'none'; {allowed}"
    return response
