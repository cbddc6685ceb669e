"""Checks of numbers that have to fit each other: seconds, open files, places of gunicorn's."""

from __future__ import annotations

from ..core.drain import LINGER
from .facts import Facts
from .finding import Finding
from .settings import Gunicorn

SPARE_FILES = 100
"""Open files of a process that are no peers: listeners, logs, database connections."""

IMPATIENCE = 6
"""Seconds without a beat after which the stock clients give a connection up."""


def check_heartbeat(facts: Facts) -> Finding:
    """Whether beats come often enough for the stock clients."""
    seconds = facts.config.ping_interval
    seen = f"a beat every {seconds:g} s"
    if seconds < IMPATIENCE:
        return Finding("ok", "heartbeat", seen)
    late = f"{seen}, but stock clients give up after {IMPATIENCE} s"
    return Finding("warn", "heartbeat", late, "leave CABLE_PING_INTERVAL at 3")


def check_open_files(facts: Facts) -> Finding:
    """Whether the process may open as many sockets as it is told to accept."""
    name, most, limit = "open files", facts.config.max_connections, facts.open_files
    if limit is None:
        return Finding("ok", name, "no limit seen")
    if limit >= most + SPARE_FILES:
        return Finding("ok", name, f"{limit} per process, for CABLE_MAX_CONNECTIONS = {most}")
    seen = f"{limit} per process, seen from here, are not enough for CABLE_MAX_CONNECTIONS = {most}"
    remedy = f"ulimit -n {most + SPARE_FILES} (systemd: LimitNOFILE=), or lower CABLE_MAX_CONNECTIONS"
    return Finding("warn", name, seen, remedy)


def check_max_requests(facts: Facts) -> Finding:
    """Whether workers are restarted under their peers' feet."""
    name, server = "--max-requests", facts.gunicorn or Gunicorn()
    if not server.max_requests:
        return Finding("ok", name, "off")
    if server.worker in ("gevent_pywsgi", "gevent-websocket"):
        return Finding("info", name, f"{server.max_requests}, which {server.worker} ignores")
    seen = f"{server.max_requests}: a worker that has served as many ends, and sends its peers away"
    remedy = "set it to 0, or high and with --max-requests-jitter; peers reconnect and subscribe again"
    return Finding("warn", name, seen, remedy)


def check_worker_connections(facts: Facts) -> Finding:
    """Whether peers use up what gunicorn needs for plain HTTP."""
    name, server, most = "worker connections", facts.gunicorn or Gunicorn(), facts.config.max_connections
    if not server.tls:
        seen = f"{server.worker_connections} at a time; the cable's open WebSockets are none of them"
        return Finding("ok", name, seen)
    option, places = "--worker-connections", server.worker_connections
    if server.worker == "gthread":
        option, places = "--threads", server.threads
    if places > most:
        return Finding("ok", name, f"{option} {places}, above CABLE_MAX_CONNECTIONS = {most}")
    seen = f"with TLS in the worker a WebSocket keeps one of {option} {places}; without any left HTTP hangs"
    remedy = f"let a proxy end TLS, or set CABLE_MAX_CONNECTIONS below {places} (it is {most})"
    return Finding("warn", name, seen, remedy)


def check_timeout(facts: Facts) -> Finding:
    """Whether --timeout ends idle connections."""
    server = facts.gunicorn or Gunicorn()
    if server.worker == "sync":
        return Finding("info", "--timeout", f"{server.timeout} s; ends a sync worker that is busy for longer")
    return Finding("ok", "--timeout", f"{server.timeout} s; ends no WebSocket under {server.worker}")


def check_graceful_timeout(facts: Facts) -> Finding:
    """Whether a worker that is to end has the time to tell its peers."""
    name, server, needed = "--graceful-timeout", facts.gunicorn or Gunicorn(), facts.config.drain_seconds
    seen = f"{server.graceful_timeout} s, for CABLE_DRAIN_SECONDS = {needed:g}"
    if server.graceful_timeout > needed + LINGER:
        return Finding("ok", name, seen)
    remedy = f"set it above {needed + LINGER:g}, or CABLE_DRAIN_SECONDS lower"
    return Finding("warn", name, f"{seen}: peers may be cut off before they are told to come back", remedy)
