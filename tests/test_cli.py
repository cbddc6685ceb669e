"""``flask cable ...``: what is printed, and the exit code."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from support.backends import Backend
from support.wire import eventually

from flask_cable import Cable, Channel, Connection, cli, periodically
from flask_cable.core.registry import CONTROL
from flask_cable.doctor import Finding
from flask_cable.pubsub import open_pubsub

BUILT_IN = [
    "Turbo::StreamsChannel (built in, for signed names)",
    "  class    flask_cable.signed_streams.StreamsChannel",
    "  actions  none",
    "$pubsub (built in, for signed names)",
    "  class    flask_cable.signed_streams.SignedStreamsChannel",
    "  actions  none",
]


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
    text = re.sub(" +", " ", "\n".join(lines))
    assert "channels List the channels, their actions and their timers." in text
    assert "broadcast Send JSON" in text
    assert "doctor Check whether the deployment will carry WebSockets." in text


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
            *BUILT_IN,
        ],
    )


def test_a_channel_that_takes_the_place_of_a_built_in_one_is_listed_once(app: Flask) -> None:
    app.extensions["cable"].cable.channel("Turbo::StreamsChannel")(QuietChannel)
    _, lines = run(app, "channels")
    assert [line.split()[0] for line in lines if line[0] != " "] == ["Turbo::StreamsChannel", "$pubsub"]
    assert lines[1] == f"  class    {__name__}.QuietChannel"


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
    assert (code, lines[1:]) == (0, BUILT_IN)
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


# Reaching peers from a shell.


class Hearer:
    """A serving process, as far as the server between can tell."""

    def __init__(self, url: str) -> None:
        self.bus = open_pubsub(url)
        self.heard: list[tuple[str, str]] = []
        for stream in ("news", CONTROL):
            self.bus.subscribe(stream, partial(self._hear, stream))
        eventually(lambda: self.bus.is_live, "it is live")

    def _hear(self, stream: str, message: str) -> None:
        self.heard.append((stream, message))


@pytest.fixture(scope="module")
def backend() -> Iterator[Backend]:
    with Backend("redis") as backend:
        yield backend


@pytest.fixture
def hearer(backend: Backend) -> Iterator[Hearer]:
    hearer = Hearer(backend.url)
    yield hearer
    hearer.bus.stop()


class UserConnection(Connection):
    identified_by = ("current_user", "tenant")


def serving(url: str | None) -> Flask:
    app = Flask("shop")
    app.config["CABLE_URL"] = url
    Cable(app).connection(UserConnection)
    return app


def test_a_broadcast_reaches_serving_processes(backend: Backend, hearer: Hearer) -> None:
    app = serving(backend.url)
    assert run(app, "broadcast", "news", '{"text": "\u00e9"}') == (0, ["published to news"])
    assert run(app, "broadcast", "news", "7") == (0, ["published to news"])
    eventually(lambda: len(hearer.heard) == 2, "both are heard")
    assert hearer.heard == [("news", 'j|{"text":"\u00e9"}'), ("news", "j|7")]


def test_a_disconnect_reaches_serving_processes(backend: Backend, hearer: Hearer) -> None:
    code, lines = run(
        serving(backend.url),
        *("disconnect", "--identifier", "current_user=7", "--identifier", "tenant=a=b", "--no-reconnect"),
    )
    assert (code, lines) == (0, ["told every process to disconnect current_user=7, tenant=a=b"])
    eventually(lambda: hearer.heard, "it is heard")
    assert json.loads(hearer.heard[0][1].removeprefix("j|")) == {
        "disconnect": {"current_user": "7", "tenant": "a=b"},
        "reason": "remote",
        "reconnect": False,
    }


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("broadcast", "news", "hello"), "text needs its quotes"),
        (("broadcast", " ", "1"), "must not be blank"),
        (("disconnect",), "Missing option"),
        (("disconnect", "--identifier", "7"), "'7' is not NAME=VALUE"),
        (("disconnect", "--identifier", "current_user="), "is not NAME=VALUE"),
        (
            ("disconnect", "--identifier", "user=7"),
            "'user' is no identifier; the connection class has current_user",
        ),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_sent(
    backend: Backend, hearer: Hearer, words: tuple[str, ...], said: str
) -> None:
    code, lines = run(serving(backend.url), *words)
    assert code != 0
    assert said in "\n".join(lines)
    assert hearer.heard == []


@pytest.mark.parametrize(
    "words", [("broadcast", "news", "1"), ("disconnect", "--identifier", "current_user=7")]
)
def test_without_a_server_between_nobody_would_hear(words: tuple[str, ...]) -> None:
    code, lines = run(serving(None), *words)
    assert (code, len(lines)) == (1, 1)
    assert "memory:// reaches no other process, so nobody would hear" in lines[0]


def test_a_server_that_is_away_is_one_line() -> None:
    code, lines = run(serving("redis://:secret@127.0.0.1:1/0"), "broadcast", "news", "1")
    assert (code, len(lines)) == (1, 1)
    assert "127.0.0.1:1" in lines[0]
    assert "secret" not in lines[0]
