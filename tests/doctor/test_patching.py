"""gevent's patching: first, by a gevent worker, and not after --preload."""

from __future__ import annotations

from doctor.conftest import found

from flask_cable.doctor import Gunicorn
from flask_cable.doctor.patching import check_patching, check_preload


def test_patching_has_to_come_first() -> None:
    flask_first = ("flask", "ssl", "werkzeug.serving")
    for patched, imported, expected in (
        (False, (*flask_first, "shop", "psycopg"), "ok: the application leaves it to its server"),
        (
            True,
            (*flask_first, "shop", "gevent.monkey", "psycopg", "redis"),
            "ok: the application patches first",
        ),
        (
            True,
            (*flask_first, "shop", "redis", "psycopg", "gevent.monkey", "urllib3"),
            "fail: imported before ",
        ),
        (True, ("shop", "ssl", "gevent.monkey"), "fail: imported before gevent patched: ssl -> call gevent"),
        (True, ("psycopg", "gevent.monkey"), "fail: imported before gevent patched: psycopg"),
    ):
        assert found(check_patching, patched=patched, imported=imported).startswith(expected), imported
    said = found(check_patching, patched=True, imported=("shop", "redis", "psycopg", "gevent.monkey"))
    assert said == (
        "fail: imported before gevent patched: psycopg, redis -> call gevent.monkey.patch_all() "
        "above every other import, or leave it to gunicorn -k gevent"
    )


def test_patching_is_for_gevents_workers() -> None:
    said = found(check_patching, patched=True, imported=("shop",), gunicorn=Gunicorn("gthread"))
    assert said.startswith("warn: the application patches, but the worker class is gthread -> ")
    assert found(check_patching, patched=True, imported=("shop",), gunicorn=None).startswith("ok: ")


def test_preloading_imports_before_gevent_patches() -> None:
    preloaded = Gunicorn("gevent", preload=True)
    for seen, expected in (
        ({"gunicorn": Gunicorn("gevent")}, "ok: off"),
        ({"gunicorn": Gunicorn("gthread", preload=True)}, "ok: on; "),
        ({"gunicorn": Gunicorn("gevent", preload=True, patches=True)}, "ok: on; "),
        ({"gunicorn": preloaded, "patched": True}, "ok: on; "),
        (
            {"gunicorn": preloaded, "imported": ("ssl", "shop", "json")},
            "warn: on: the application is imported bef",
        ),
        (
            {"gunicorn": preloaded, "imported": ("shop", "redis", "psycopg")},
            "fail: on: the application is import",
        ),
    ):
        assert found(check_preload, **seen).startswith(expected), seen
    said = found(check_preload, gunicorn=preloaded, imported=("shop", "redis", "psycopg"))
    assert "waits of psycopg, redis block every peer -> drop --preload, or call gevent" in said
