"""An application that is served by several processes, and tells what becomes of them in an outage.

`CLUSTER_CABLE_*` in the environment are its settings. `CLUSTER_JOURNAL` names a file that gets a line for
each outage and its end; `CLUSTER_GATE` one without which the `connect` of a peer that asks for it waits.
`CLUSTER_EARLY` names a stream to which it broadcasts when it is imported.
"""

from __future__ import annotations

import _thread
import os
import sys
import time
from pathlib import Path
from typing import Any

from flask import Flask, request

from flask_cable import Cable, Channel, Connection, errors, signals

cable = Cable()


@cable.connection
class UserConnection(Connection):
    identified_by = ("user", "tenant")

    def connect(self) -> None:
        self.user = request.args.get("user")
        self.tenant = request.args.get("tenant", "everybody")
        if "gate" in request.args:
            _wait_for(Path(os.environ["CLUSTER_GATE"]))


@cable.channel
class NewsChannel(Channel):
    def subscribed(self) -> None:
        self.stream_from(self.params.get("stream", "news"))

    def say(self, data: dict[str, Any]) -> None:
        self.broadcast_to("news", data, exclude=self if data.get("exclude") else None)


@cable.channel
class FarewellChannel(Channel):
    def unsubscribed(self) -> None:
        self.broadcast_to("news", {"number": int(self.user)})


def _wait_for(gate: Path) -> None:
    gate.with_suffix(".waiting").touch()
    end = time.monotonic() + 20
    while not gate.exists() and time.monotonic() < end:
        time.sleep(0.01)


def _start_native_thread(*job: Any) -> None:
    """Run on a thread of the system's, also where gevent has put greenlets in their place."""
    monkey = sys.modules.get("gevent.monkey")
    start = monkey.get_original("_thread", "start_new_thread") if monkey else _thread.start_new_thread
    start(job[0], job[1:])


def _note(what: str) -> None:
    journal = os.environ.get("CLUSTER_JOURNAL")
    if journal:
        with open(journal, "a") as file:
            file.write(f"{time.time():.3f} {os.getpid()} {what}\n")


def create_app() -> Flask:
    app = Flask(__name__)
    app.config["SECRET_KEY"] = "cluster"
    app.config.from_prefixed_env("CLUSTER")
    cable.init_app(app)

    @signals.backend_lost.connect_via(app)
    def lost(sender: Flask, adapter: str, error: Exception) -> None:
        _note(f"lost {adapter}")

    @signals.backend_restored.connect_via(app)
    def restored(sender: Flask, adapter: str, seconds: float) -> None:
        _note(f"restored {adapter} {seconds:.3f}")

    app.extensions["receivers"] = (lost, restored)  # signals keep their receivers weakly

    @app.get("/")
    def index() -> str:
        return str(os.getpid())

    @app.post("/broadcast/<stream>")
    def broadcast(stream: str) -> tuple[str, int]:
        begun = time.monotonic()
        try:
            cable.broadcast(stream, request.get_json())
        except errors.BusError as error:
            return f"{time.monotonic() - begun:.3f} {error}", 503
        return "published", 200

    @app.post("/broadcast-from-the-loop/<stream>")
    def broadcast_from_the_loop(stream: str) -> str:
        executor = app.extensions["cable"].runtime().executor
        executor.call_home(cable.broadcast, stream, request.get_json())
        return "soon"

    @app.post("/broadcast-from-a-thread/<stream>")
    def broadcast_from_a_thread(stream: str) -> str:
        _start_native_thread(cable.broadcast, stream, request.get_json())
        return "soon"

    @app.post("/disconnect")
    def disconnect() -> str:
        order = request.get_json()
        cable.remote_connections.where(**order["where"]).disconnect(reconnect=order["reconnect"])
        return "told"

    if "CLUSTER_EARLY" in os.environ:
        with app.app_context():
            cable.broadcast(os.environ["CLUSTER_EARLY"], {"number": -1})
    return app
