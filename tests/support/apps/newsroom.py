"""Pages that hear what their route has subscribed them to, through cable.js.

``/?hear=news&hear=sports`` is a page; with ``push=hello`` its own route pushes that to the first stream, with
``late`` its socket waits for ``begin()``, and with ``turbo`` Turbo Drive is on it. ``heard`` is what it was
pushed, ``told`` what became of its socket, and ``loads`` how often this tab was here.
"""

from __future__ import annotations

from typing import Any

from flask import Flask, jsonify, render_template_string, request, send_file, session
from flask.typing import ResponseReturnValue

from flask_cable import Cable, cable_is_socket, socket
from support.parts import NODE_MODULES

cable = Cable()

PAGE = """<!doctype html>
<html lang="en">
<head>
  <title>newsroom</title>
  {{ cable_script() }}
  {% if "turbo" in request.args %}<script type="module" src="/turbo.js"></script>{% endif %}
  <script type="module">
    import * as cable from "flask-cable"
    const { socket } = cable
    Object.assign(window, { cable, socket, heard: [], told: [] })
    for (const what of ["connected", "disconnected", "expired"]) socket[`on${what}`] = () => told.push(what)
    window.loads = sessionStorage.loads = Number(sessionStorage.loads ?? 0) + 1
    window.begin = () => socket.on("*", (payload, channel) => heard.push([channel, payload]))
    {% if "careful" in request.args %}
    socket.onexpired = () => {
      told.push("expired")
      const [{ type }] = performance.getEntriesByType("navigation")
      if (type !== "reload" || performance.now() > 10_000) location.reload()
    }
    {% endif %}
    addEventListener("turbo:render", () => {
      socket.disconnect()
      if (document.body.dataset.socketConnectionId) socket.connect()
    })
    {% if "late" not in request.args %}begin(){% endif %}
  </script>
</head>
<body class="page"><p>News</p></body>
</html>"""


@cable.handler("add")
def add(message: dict[str, Any], session: Any, response: dict[str, Any]) -> dict[str, Any]:
    """Sum up numbers, for whoever asks."""
    return {"sum": sum(message["numbers"]), "name": session.get("name")}


def create_app() -> Flask:
    """Return the application."""
    app = Flask(__name__)
    app.config["SECRET_KEY"] = "newsroom"
    app.config.from_prefixed_env()
    app.add_url_rule("/", view_func=home)
    app.add_url_rule("/news", view_func=home)  # where the root is the cable's
    app.add_url_rule("/turbo.js", view_func=turbo)
    app.add_url_rule("/push", view_func=push, methods=["POST"])
    app.add_url_rule("/leave/<stream>", view_func=leave, methods=["POST"])
    app.add_url_rule("/greet/<name>", view_func=greet, methods=["GET", "POST"])
    app.add_url_rule("/follow/<stream>", view_func=follow)
    cable.init_app(app)
    return app


def home() -> ResponseReturnValue:
    """Make a page."""
    session["name"] = "ann"
    streams = request.args.getlist("hear")
    if streams:
        socket.subscribe(streams)
    if "push" in request.args:
        socket.push(request.args["push"], streams[0])
    return render_template_string(PAGE)


def turbo() -> ResponseReturnValue:
    """Turbo itself."""
    return send_file(NODE_MODULES / "@hotwired/turbo/dist/turbo.es2017-esm.js", mimetype="text/javascript")


def push() -> ResponseReturnValue:
    """Push a message to streams."""
    body = request.get_json()
    cable.push(body["message"], *body["streams"])
    return "", 204


def leave(stream: str) -> ResponseReturnValue:
    """Let the page that asks hear a stream no more."""
    socket.unsubscribe(stream)
    return "", 204


def follow(stream: str) -> ResponseReturnValue:
    """Let the page that calls this hear a stream."""
    socket.subscribe(stream)
    return {"is_socket": cable_is_socket()}


def greet(name: str) -> ResponseReturnValue:
    """Tell what arrived, in the same words over HTTP and over the socket."""
    if name == "nobody":
        return jsonify(error="who?"), 404
    return {
        "hello": name,
        "method": request.method,
        "args": request.args,
        "form": request.form,
        "json": request.get_json(silent=True),
        "session": session["name"],
    }
