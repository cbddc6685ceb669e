"""Whether this process is well, for load balancers and orchestrators: JSON, and nothing that is secret.

``<path>`` is ready with 200 and not ready with 503; ``<path>/live`` is 200 as long as the process answers.
"""

from __future__ import annotations

from flask import Flask, Response, current_app, jsonify, request

from .config import Config
from .errors import UnsupportedServer
from .pubsub import PubSub
from .runtime import CableState, Runtime
from .transports import find_socket


def add_health(app: Flask, config: Config) -> None:
    """Register the URL rules that CABLE_HEALTH_PATH asks for."""
    path = config.health_path
    if path is None:
        return
    if not path.startswith("/"):
        path = f"{config.mount_path.rstrip('/')}/{path}"
    app.add_url_rule(path, "cable_health", readiness)
    app.add_url_rule(f"{path.rstrip('/')}/live", "cable_live", liveness)


def readiness() -> Response:
    """Whether peers should be sent here: neither draining nor cut off from the other processes."""
    runtime = _runtime()
    ready = runtime.bus.is_live and not runtime.drain.started
    response = jsonify(
        live=True,
        ready=ready,
        connections=len(runtime.registry),
        draining=runtime.drain.started,
        pubsub={"adapter": runtime.bus.name.partition(":")[0], "state": _state(runtime.bus)},
    )
    response.status_code = 200 if ready else 503
    response.headers["Cache-Control"] = "no-store"
    return response


def liveness() -> Response:
    """That the process answers at all; an outage of something else is no reason to restart it."""
    response = jsonify(live=True)
    response.headers["Cache-Control"] = "no-store"
    return response


def _state(bus: PubSub) -> str:
    if bus.is_lost:
        return "lost"
    return "live" if bus.is_live else "starting"


def _runtime() -> Runtime:
    state: CableState = current_app.extensions["cable"]
    try:
        sock = find_socket(request.environ)
    except UnsupportedServer:
        sock = None
    return state.runtime(sock)
