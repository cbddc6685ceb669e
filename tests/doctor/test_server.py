"""The server: worker classes, and the executor that fits them."""

from __future__ import annotations

from doctor.conftest import EVERYTHING, found

from flask_cable.doctor import Gunicorn
from flask_cable.doctor.server import check_executor, check_worker


def test_the_worker_class_decides() -> None:
    for server, expected in (
        (Gunicorn("gevent"), "ok: gevent, 1 worker"),
        (Gunicorn("gevent", workers=4), "ok: gevent, 4 workers"),
        (Gunicorn("gevent_pywsgi"), "ok: gevent_pywsgi, 1 worker"),
        (Gunicorn("gthread", threads=8), "ok: gthread, 1 worker, 8 threads"),
        (Gunicorn("gevent-websocket"), "warn: gevent-websocket, 1 worker: it upgrades before"),
        (
            Gunicorn("sync"),
            "fail: sync serves one request at a time: every WebSocket gets a 501 -> use -k gevent",
        ),
        (Gunicorn("sync", complete=False), "warn: sync, unless the command line says otherwise -> say how"),
        (Gunicorn("tornado"), "warn: tornado, which is not known here -> use -k gevent"),
        (None, "info: not known: there is no command line, GUNICORN_CMD_ARGS or gunicorn.conf.py -> say how"),
    ):
        assert found(check_worker, gunicorn=server).startswith(expected)


def test_gevents_worker_needs_what_it_imports() -> None:
    said = found(check_worker, installed=EVERYTHING - {"packaging"})
    assert said == "fail: gevent, 1 worker, but not installed: packaging -> pip install 'gunicorn[gevent]'"
    assert "not installed: gevent, packaging" in found(check_worker, installed=frozenset())


def test_settings_that_gunicorn_refuses_fail() -> None:
    said = found(check_worker, gunicorn=None, trouble="unrecognized arguments: --bogus")
    assert said.startswith("fail: gunicorn's settings are of no use: unrecognized arguments: --bogus -> ")


def test_the_executor_has_to_fit_the_worker() -> None:
    for executor, worker, expected in (
        ("auto", "gevent", "ok: CABLE_EXECUTOR = 'auto'"),
        ("auto", "gthread", "ok: "),
        ("gevent", "gevent", "ok: "),
        ("threads", "gthread", "ok: "),
        ("gevent", "gthread", "fail: CABLE_EXECUTOR = 'gevent' under a gthread worker -> leave it at 'auto'"),
        ("threads", "gevent", "warn: CABLE_EXECUTOR = 'threads' under a gevent worker -> leave it at 'auto'"),
        (
            "manual",
            "gevent",
            "fail: CABLE_EXECUTOR = 'manual': nothing runs until a test says so -> leave it",
        ),
    ):
        config = {"CABLE_EXECUTOR": executor}
        assert found(check_executor, config=config, gunicorn=Gunicorn(worker)).startswith(expected)
    assert found(check_executor, config={"CABLE_EXECUTOR": "gevent"}, gunicorn=None).startswith("ok: ")
