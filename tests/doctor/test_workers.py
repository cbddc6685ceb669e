"""Several workers: the bus between them, and clients that poll."""

from __future__ import annotations

from doctor.conftest import application, found
from support.backends import Backend

from flask_cable.doctor import Gunicorn
from flask_cable.doctor.workers import check_long_polling, check_pubsub


def test_broadcasts_have_to_reach_every_worker() -> None:
    for url, workers, expected in (
        (None, 1, "ok: memory://, and one worker"),
        ("memory://", 1, "ok: memory://, and one worker"),
        (
            None,
            4,
            "fail: memory:// with 4 workers: a broadcast reaches the peers of one only -> run one worker",
        ),
        ("memory://", 2, "fail: memory:// with 2 workers"),
        ("redis://:password@127.0.0.1:1/0", 4, "warn: redis://127.0.0.1:1/0: publishing failed: "),
        ("redis://localhost?no_such_option=1", 4, "fail: no adapter -> CABLE_URL: "),
    ):
        said = found(check_pubsub, config={"CABLE_URL": url}, gunicorn=Gunicorn("gevent", workers=workers))
        assert said.startswith(expected)
        assert "password" not in said
    assert found(check_pubsub, gunicorn=None).startswith("info: memory:// reaches one process only")


def test_the_server_between_the_workers_is_asked() -> None:
    with Backend("redis") as backend:
        said = found(check_pubsub, config={"CABLE_URL": backend.url})
        assert said == f"ok: {backend.url} answers"


def test_long_polling_needs_one_worker() -> None:
    check = check_long_polling
    four = Gunicorn("gevent", workers=4)
    assert found(check, gunicorn=four) == "ok: nobody polls"
    app = application()
    app.extensions["cable"].cable.socketio("/ws", transports=["websocket"])
    assert found(check, app, gunicorn=four) == "ok: nobody polls"
    app.extensions["cable"].cable.socketio()
    assert found(check, app) == "ok: /socket.io: one worker, which knows all who poll"
    said = found(check, app, gunicorn=four)
    assert said.startswith("warn: /socket.io: 4 workers")
    assert "transports=['websocket']" in said
