"""``flask cable ...``: what is printed, and the exit code."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_cable import Cable, Channel, cli, periodically
from flask_cable.doctor import Finding


class ChatChannel(Channel):
    def speak(self, data: Any) -> None: ...

    def appear(self) -> None: ...

    @periodically(every=3)
    def tick(self) -> None: ...


class QuietChannel(Channel):
    pass


def tock(channel: Channel) -> None: ...


@pytest.fixture
def app() -> Flask:
    app = Flask("shop")
    Cable(app)
    return app


def run(app: Flask, *args: str) -> tuple[int, list[str]]:
    result = app.test_cli_runner().invoke(args=["cable", *args])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.output.splitlines()


def test_the_commands_are_listed(app: Flask) -> None:
    code, lines = run(app, "--help")
    assert code == 0
    text = "\n".join(lines)
    assert "channels  List the channels, their actions and their timers." in text
    assert "doctor    Check whether the deployment will carry WebSockets." in text


def test_channels_are_listed_with_their_actions_and_timers(app: Flask) -> None:
    cable: Cable = app.extensions["cable"].cable
    cable.channel("Quiet::Channel")(QuietChannel)
    cable.channel(ChatChannel)
    assert run(app, "channels") == (
        0,
        [
            "ChatChannel",
            f"  class    {__name__}.ChatChannel",
            "  actions  appear, speak",
            "  timer    tick every 3 s",
            "Quiet::Channel",
            f"  class    {__name__}.QuietChannel",
            "  actions  none",
        ],
    )


def test_timers_are_named_whatever_they_call(app: Flask) -> None:
    class TimedChannel(Channel):
        pass

    TimedChannel.periodically(tock, every=0.5)
    TimedChannel.periodically(partial(tock), every=90)
    app.extensions["cable"].cable.channel(TimedChannel)
    _, lines = run(app, "channels")
    assert lines[3] == "  timer    tock every 0.5 s"
    assert lines[4].startswith("  timer    functools.partial(<function tock")
    assert lines[4].endswith(" every 90 s")


def test_without_channels_it_says_how_to_have_some(app: Flask) -> None:
    code, lines = run(app, "channels")
    assert (code, len(lines)) == (0, 1)
    assert "@cable.channel" in lines[0]


FINDINGS = [
    Finding("ok", "worker class", "gevent, 1 worker"),
    Finding("info", "JSON", "without orjson", "pip install it"),
    Finding("warn", "proxy", "none", "add one"),
]


def test_the_doctor_says_one_line_for_each_check(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def diagnose(asked_of: Flask, command: str) -> list[Finding]:
        asked.append((asked_of, command))
        return FINDINGS

    monkeypatch.setattr(cli, "diagnose", diagnose)
    assert run(app, "doctor", "--bind-cmd", "gunicorn -k gevent app:app") == (
        0,
        [
            "ok    worker class        gevent, 1 worker",
            "info  JSON                without orjson -> pip install it",
            "warn  proxy               none -> add one",
        ],
    )
    run(app, "doctor")
    assert asked == [(app, "gunicorn -k gevent app:app"), (app, "")]


def test_the_exit_code_is_1_when_something_fails(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    fails = Finding("fail", "route", "gone", "bring it back")
    monkeypatch.setattr(cli, "diagnose", lambda app, command: [fails, *FINDINGS])
    code, lines = run(app, "doctor")
    assert (code, len(lines)) == (1, 4)
    assert lines[0].startswith("fail  route ")


def test_every_level_has_a_colour(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "diagnose", lambda app, command: [Finding("fail", "route", "gone")])
    output = app.test_cli_runner().invoke(args=["cable", "doctor"], color=True).output
    assert output.startswith("\x1b[31mfail\x1b[0m  route ")
    assert set(cli.COLOURS) == {"ok", "info", "warn", "fail"}


def test_the_flask_command_finds_it(tmp_path: Path) -> None:
    """As a user runs it, where a file of gunicorn's lies about."""
    (tmp_path / "app.py").write_text(
        "from flask import Flask\nfrom flask_cable import Cable\n"
        "def create_app():\n    app = Flask(__name__)\n    Cable(app)\n    return app\n"
    )
    (tmp_path / "gunicorn.conf.py").write_text("raise SystemExit('not to be run twice')")
    command = [sys.executable, "-W", "error", "-m", "flask", "--app", "app", "cable", "doctor"]
    path = ":".join(path for path in sys.path if path)
    ran = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=60, env={"PYTHONPATH": path}
    )
    levels = {line[:4].strip() for line in ran.stdout.splitlines()}
    assert ran.returncode == 1
    assert levels <= {"ok", "info", "warn", "fail"}
    assert "worker class" in ran.stdout
    assert ran.stderr == ""
