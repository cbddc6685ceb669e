"""Numbers that have to fit: restarts, places, seconds, beats, open files."""

from __future__ import annotations

from doctor.conftest import found

from flask_cable.doctor import Gunicorn
from flask_cable.doctor.bounds import (
    check_graceful_timeout,
    check_heartbeat,
    check_max_requests,
    check_open_files,
    check_timeout,
    check_worker_connections,
)


def test_restarts_of_workers_are_told() -> None:
    for server, expected in (
        (Gunicorn("gevent"), "ok: off"),
        (
            Gunicorn("gevent", max_requests=1000),
            "warn: 1000: a worker that has served as many ends, and sends",
        ),
        (Gunicorn("gthread", max_requests=1000), "warn: 1000: "),
        (Gunicorn("gevent_pywsgi", max_requests=1000), "info: 1000, which gevent_pywsgi ignores"),
    ):
        assert found(check_max_requests, gunicorn=server).startswith(expected)


def test_places_of_gunicorns_are_used_up_only_by_tls() -> None:
    few = {"CABLE_MAX_CONNECTIONS": 500}
    for server, config, expected in (
        (Gunicorn("gevent"), {}, "ok: 1000 at a time; the cable's open WebSockets are none of them"),
        (
            Gunicorn("gevent", tls=True),
            few,
            "ok: --worker-connections 1000, above CABLE_MAX_CONNECTIONS = 500",
        ),
        (
            Gunicorn("gevent", tls=True),
            {},
            "warn: with TLS in the worker a WebSocket keeps one of --worker-conn",
        ),
        (
            Gunicorn("gthread", threads=8, tls=True),
            few,
            "warn: with TLS in the worker a WebSocket keeps one of --thr",
        ),
    ):
        assert found(check_worker_connections, config=config, gunicorn=server).startswith(expected)
    said = found(check_worker_connections, gunicorn=Gunicorn("gthread", threads=8, tls=True))
    assert said.endswith("-> let a proxy end TLS, or set CABLE_MAX_CONNECTIONS below 8 (it is 10000)")


def test_the_timeout_is_no_matter_but_to_sync() -> None:
    assert found(check_timeout) == "ok: 30 s; ends no WebSocket under gevent"
    assert found(check_timeout, gunicorn=Gunicorn("sync")).startswith("info: 30 s; ends a sync worker")


def test_the_end_of_a_worker_needs_time() -> None:
    assert found(check_graceful_timeout) == "ok: 30 s, for CABLE_DRAIN_SECONDS = 5"
    said = found(check_graceful_timeout, gunicorn=Gunicorn("gevent", graceful_timeout=3))
    assert said.startswith("warn: 3 s, for CABLE_DRAIN_SECONDS = 5: peers may be cut off")
    assert said.endswith("-> set it above 7, or CABLE_DRAIN_SECONDS lower")


def test_beats_have_to_be_quicker_than_the_clients_patience() -> None:
    assert found(check_heartbeat) == "ok: a beat every 3 s"
    said = found(check_heartbeat, config={"CABLE_PING_INTERVAL": 6.5})
    assert said.startswith("warn: a beat every 6.5 s, but stock clients give up after 6 s -> ")


def test_there_have_to_be_files_for_all_peers() -> None:
    for limit, most, expected in (
        (20_000, 10_000, "ok: 20000 per process, for CABLE_MAX_CONNECTIONS = 10000"),
        (10_100, 10_000, "ok: "),
        (10_099, 10_000, "warn: 10099 per process, seen from here, are not enough for CABLE_MAX_CONN"),
        (1024, 500, "ok: "),
        (None, 10_000, "ok: no limit seen"),
    ):
        config = {"CABLE_MAX_CONNECTIONS": most}
        assert found(check_open_files, config=config, open_files=limit).startswith(expected)
    assert "ulimit -n 10100" in found(check_open_files, open_files=1024)
