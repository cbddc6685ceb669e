"""Real server processes for tests: on free ports, awaited, restarted, ended by pid.

`Server(kind, app)` runs one of `KINDS` with an application that the child can import: it sees this process's
`sys.path`, `tests/` and `example_app`. Knows nothing of WebSockets; a test brings its own client. Every wait
has a deadline, and whatever goes wrong is told together with the server's log.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

TESTS = Path(__file__).resolve().parent.parent
CONFORMANCE = "support.apps.conformance:create_app()"
GUNICORN_CONF = "control_socket_disable = True\n"  # unknown, and so ignored, before gunicorn 25
PORT_TAKEN = ("Address already in use", "Connection in use", "is in use by another program")


@dataclass(frozen=True)
class Kind:
    """How one kind of server is started, and the parts, as `support.parts` calls them, that it needs."""

    module: str
    parts: tuple[str, ...]
    args: tuple[str, ...] = ()

    def command(self, app: str, port: int, tls: Sequence[Path]) -> list[str]:
        """Return what follows the interpreter: `-m gunicorn ...`."""
        build = {"gunicorn": _gunicorn, "flask": _flask}.get(self.module, _pywsgi)
        return ["-m", self.module, *build(app, port, tls, self.args)]


def _gunicorn(app: str, port: int, tls: Sequence[Path], args: Sequence[str]) -> list[str]:
    ours = ["--bind", f"127.0.0.1:{port}", "--graceful-timeout", "2"]
    return [*ours, *_options(("--certfile", "--keyfile"), tls), *args, app]


def _flask(app: str, port: int, tls: Sequence[Path], args: Sequence[str]) -> list[str]:
    address = ["--host", "127.0.0.1", "--port", str(port)]
    return ["--app", app, "run", *address, *args, *_options(("--cert", "--key"), tls)]


def _pywsgi(app: str, port: int, tls: Sequence[Path], args: Sequence[str]) -> list[str]:
    return [*args, "--port", str(port), *_options(("--certfile", "--keyfile"), tls), app]


def _options(names: Sequence[str], values: Sequence[Path]) -> list[str]:
    return [word for name, value in zip(names, values, strict=False) for word in (name, str(value))]


PYWSGI = "support.apps.serve_pywsgi"
KINDS = {
    "gunicorn-gevent": Kind("gunicorn", ("gunicorn", "gevent"), ("-k", "gevent")),
    "gunicorn-gthread": Kind("gunicorn", ("gunicorn",), ("-k", "gthread", "--threads", "8")),
    "gunicorn-gevent-pywsgi": Kind("gunicorn", ("gunicorn", "gevent"), ("-k", "gevent_pywsgi")),
    "gunicorn-gevent-websocket": Kind(
        "gunicorn",
        ("gunicorn", "gevent", "gevent_websocket"),
        ("-k", "geventwebsocket.gunicorn.workers.GeventWebSocketWorker"),
    ),
    "gunicorn-sync": Kind("gunicorn", ("gunicorn",), ("-k", "sync")),
    "pywsgi": Kind(PYWSGI, ("gevent",)),
    "pywsgi-websocket-handler": Kind(PYWSGI, ("gevent", "gevent_websocket"), ("--websocket-handler",)),
    "werkzeug": Kind("flask", (), ("--no-reload", "--no-debugger")),
}


class Group:
    """A process and its children, which end with this one, however it ends: a crash, a kill, a timeout."""

    def __init__(self, command: Sequence[str], home: Path, env: Mapping[str, str]) -> None:
        with open(home / "log", "ab") as log:
            self.leader = subprocess.Popen(
                command,
                cwd=home,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        guard = ["sh", "-c", 'read -r never; kill -9 "-$0"', str(self.leader.pid)]
        self._guard = subprocess.Popen(guard, stdin=subprocess.PIPE, start_new_session=True)

    @property
    def alive(self) -> bool:
        """Whether the process that was started is."""
        return self.leader.poll() is None

    def end(self) -> None:
        """Kill what is left, at once."""
        self._guard.kill()
        self._guard.communicate()
        with suppress(ProcessLookupError):
            os.killpg(self.leader.pid, signal.SIGKILL)
        self.leader.wait()


class ServerError(AssertionError):
    """A server did not start, answer or end in time; the message holds its log."""


@dataclass(frozen=True)
class Answer:
    """A plain HTTP answer."""

    status: int
    text: str

    def json(self) -> object:
        """Return the body, decoded."""
        return json.loads(self.text)


class Server:
    """One server process; a context manager.

    `args` follow the kind's own command line arguments and so win over them, `env` is laid over this
    process's environment, `ready` is a path that has to answer with any status below 500. Pass `certfile` and
    `keyfile` for TLS inside the server.
    """

    def __init__(
        self,
        kind: str,
        app: str = CONFORMANCE,
        *,
        args: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        certfile: Path | None = None,
        keyfile: Path | None = None,
        ready: str = "/",
        deadline: float = 30.0,
    ) -> None:
        self.kind = kind
        self.app = app
        self.ready = ready
        self.deadline = deadline
        self.port = 0
        self._plan = Kind(KINDS[kind].module, KINDS[kind].parts, (*KINDS[kind].args, *args))
        self._env = dict(env or {})
        self._tls = [path for path in (certfile, keyfile) if path is not None]
        self._group: Group | None = None
        self._home: Path | None = None

    def __enter__(self) -> Server:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        """The address as a browser writes it, and so the Origin of the server's own pages."""
        return f"http{'s' if self._tls else ''}://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The pid of the process that was started: gunicorn's master, not its worker."""
        return self._started().leader.pid

    @property
    def running(self) -> bool:
        """Whether the process that was started is alive."""
        return self._group is not None and self._group.alive

    def ws_url(self, path: str = "/cable") -> str:
        """Return the WebSocket address of `path`."""
        return f"ws{self.url.removeprefix('http')}{path}"

    def start(self) -> Server:
        """Start the process and wait until it answers; on the same port as before, if there was one."""
        tries = 1 if self.port else 3
        for _ in range(tries):
            self.port = self.port if tries == 1 else free_port()
            self._spawn()
            if self._answers_in_time():
                return self
            if not any(words in self.log() for words in PORT_TAKEN):
                break
        self._fail(f"{self.kind} gave up, or did not answer GET {self.ready} within {self.deadline} s")

    def stop(self, deadline: float = 15.0) -> int:
        """Send SIGTERM, wait for the end, and return the exit status."""
        leader = self._started().leader
        leader.terminate()
        try:
            status = leader.wait(deadline)
        except subprocess.TimeoutExpired:
            self._fail(f"{self.kind} did not end within {deadline} s of SIGTERM")
        self.kill()
        return status

    def kill(self) -> None:
        """End the process and its workers at once, as a crash would."""
        if self._group is not None:
            self._group.end()
            self._group = None

    def restart(self, *, kill: bool = False) -> Server:
        """End the process, with SIGTERM or as a crash, and start it again on the same port."""
        if kill:
            self.kill()
        else:
            self.stop()
        return self.start()

    def close(self) -> None:
        """End what still runs, at once, and delete the log."""
        self.kill()
        if self._home is not None:
            shutil.rmtree(self._home)
            self._home = None

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        """Return the answer to a GET."""
        return self._request("GET", path, None, headers or {})

    def post(self, path: str, body: object = None) -> Answer:
        """Return the answer to a POST of `body` as JSON."""
        return self._request("POST", path, json.dumps(body), {"Content-Type": "application/json"})

    def log(self) -> str:
        """Return what the process wrote so far."""
        return "" if self._home is None else (self._home / "log").read_text(errors="replace")

    def _request(self, method: str, path: str, body: str | None, headers: Mapping[str, str]) -> Answer:
        connection = self._http()
        try:
            connection.request(method, path, body, {"Connection": "close", **headers})
            response = connection.getresponse()
            return Answer(response.status, response.read().decode())
        finally:
            connection.close()

    def _http(self, timeout: float = 10.0) -> http.client.HTTPConnection:
        if not self._tls:
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        trusting = ssl.create_default_context()
        trusting.check_hostname = False
        trusting.verify_mode = ssl.CERT_NONE
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=timeout, context=trusting)

    def _spawn(self) -> None:
        if self._home is None:
            self._home = Path(tempfile.mkdtemp(prefix="server-"))
            (self._home / "gunicorn.conf.py").write_text(GUNICORN_CONF)
        command = [sys.executable, *self._plan.command(self.app, self.port, self._tls)]
        env = {**os.environ, "PYTHONPATH": _child_path(), "PYTHONUNBUFFERED": "1", **self._env}
        self._group = Group(command, self._home, env)

    def _answers_in_time(self) -> bool:
        end = time.monotonic() + self.deadline
        while time.monotonic() < end and self.running:
            with suppress(OSError, http.client.HTTPException):
                if self._request("GET", self.ready, None, {}).status < 500:
                    return True
            time.sleep(0.02)
        self.kill()
        return False

    def _started(self) -> Group:
        assert self._group is not None, "start the server first"
        return self._group

    def _fail(self, what: str) -> NoReturn:
        log = self.log()
        self.close()
        raise ServerError(f"{what}\n--- its log ---\n{log[-8000:]}")


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _child_path() -> str:
    """What this process can import, and example_app; the checkout comes last, so that a built wheel wins."""
    return os.pathsep.join([str(TESTS), *(place for place in sys.path if place), str(TESTS.parent)])
