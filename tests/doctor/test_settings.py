"""gunicorn's settings: read where gunicorn reads them, and refused in its words."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from doctor.conftest import patching
from support.parts import require

from flask_cable.doctor import Gunicorn, UnusableSettings, read_gunicorn
from flask_cable.doctor import settings as reading


@pytest.fixture
def gunicorn() -> None:
    require("gunicorn")


def test_without_any_settings_there_are_none() -> None:
    assert read_gunicorn() is None


def test_a_command_line_is_read(gunicorn: None) -> None:
    for command, expected in (
        ("gunicorn -k gevent -w 4 app:app", Gunicorn("gevent", workers=4)),
        ("gunicorn app:app", Gunicorn()),
        ("gunicorn --threads 8 'app:create_app(1)'", Gunicorn("gthread", threads=8)),
        ("/venv/bin/gunicorn --preload --max-requests 9 app", Gunicorn(preload=True, max_requests=9)),
        ("A=b python -m gunicorn --worker-connections=7 -t 5 a", Gunicorn(worker_connections=7, timeout=5)),
        ("gunicorn --certfile x.pem --graceful-timeout 9 app", Gunicorn(tls=True, graceful_timeout=9)),
        ("exec gunicorn -k gunicorn.workers.ggevent.GeventWorker a", Gunicorn("gevent")),
        ("gunicorn -k gevent_wsgi a", Gunicorn("gevent_pywsgi")),
        ("gunicorn -k gunicorn.workers.ggevent.GeventPyWSGIWorker a", Gunicorn("gevent_pywsgi")),
        (
            "gunicorn -k geventwebsocket.gunicorn.workers.GeventWebSocketWorker a",
            Gunicorn("gevent-websocket"),
        ),
        ("gunicorn -k gunicorn.workers.gthread.ThreadWorker a", Gunicorn("gthread")),
        ("gunicorn -k mine.SpecialWorker a", Gunicorn("SpecialWorker")),
    ):
        assert read_gunicorn(command) == expected, command


def test_the_environment_is_read(gunicorn: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUNICORN_CMD_ARGS", "-k gevent --workers=3")
    assert read_gunicorn() == Gunicorn("gevent", workers=3, complete=False)


def test_the_file_is_read(gunicorn: None, elsewhere: Path) -> None:
    (elsewhere / "gunicorn.conf.py").write_text(
        "import os\nworker_class = 'gevent'\nworkers = 1 + 1\npreload_app = True\nother = 7\n"
        "def post_fork(server, worker): ...\n"
    )
    assert read_gunicorn() == Gunicorn("gevent", workers=2, preload=True, complete=False)


def test_a_file_may_be_named(gunicorn: None, elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (elsewhere / "deploy.py").write_text("workers = 5")
    monkeypatch.syspath_prepend(elsewhere)
    for location in ("deploy.py", "./deploy.py", f"file:{elsewhere}/deploy.py", "python:deploy"):
        assert read_gunicorn(f"gunicorn -c {location} app") == Gunicorn(workers=5)
    monkeypatch.setenv("GUNICORN_CMD_ARGS", "-c deploy.py")
    assert read_gunicorn() == Gunicorn(workers=5, complete=False)


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(
    gunicorn: None, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (elsewhere / "gunicorn.conf.py").write_text("workers = 2; timeout = 2; max_requests = 2")
    monkeypatch.setenv("GUNICORN_CMD_ARGS", "-w 3 -t 3")
    expected = Gunicorn(workers=4, timeout=3, max_requests=2)
    assert read_gunicorn("gunicorn -w 4 app") == expected


def test_a_file_that_patches_is_noticed(
    gunicorn: None, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkey = patching(monkeypatch, False)
    (elsewhere / "gunicorn.conf.py").write_text(
        "import sys, warnings\nvars(sys.modules['gevent.monkey'])['patched'] = True\nwarnings.warn('late')\n"
    )
    settings = read_gunicorn()
    assert settings is not None
    assert settings.patches
    assert vars(monkey)["patched"]
    settings = read_gunicorn()
    assert settings is not None
    assert not settings.patches  # it was patched before


def test_what_gunicorn_would_refuse_is_told_in_its_words(
    gunicorn: None, elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (elsewhere / "broken.py").write_text("workers = 1 / 0")
    (elsewhere / "wrong.py").write_text("workers = 'many'")
    for command, hint in (
        ("gunicorn --bogus app", "gunicorn: error: unrecognized arguments: --bogus"),
        ("gunicorn -w many app", "invalid int value: 'many'"),
        ("gunicorn -w -3 app", "must be positive: -3"),
        ("gunicorn -c missing.py app", "missing.py"),
        ("gunicorn -c python:no_such_module app", "no_such_module"),
        ("gunicorn -c broken.py app", "ZeroDivisionError"),
        ("gunicorn -c wrong.py app", "many"),
        ("gunicorn 'app", "No closing quotation"),
        ("uwsgi --http :80", "there is no gunicorn in 'uwsgi --http :80'"),
        ("gunicorn --version", "gunicorn"),
    ):
        with pytest.raises(UnusableSettings, match=re.escape(hint)) as caught:
            read_gunicorn(command)
        assert "\n" not in str(caught.value)
    assert capsys.readouterr() == ("", "")


def test_without_gunicorn_there_is_nothing_to_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "find_spec", lambda name: None)
    assert read_gunicorn() is None
    with pytest.raises(
        UnusableSettings, match=r"gunicorn is not installed \(pip install 'flask-cable\[gevent\]'\)"
    ):
        read_gunicorn("gunicorn app")
