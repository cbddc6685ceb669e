"""Real Redis, PostgreSQL and NATS servers for tests: on free ports, killed, restarted and paused by pid.

`with Backend("redis") as backend: backend.url` is one with an empty place of its own. Every wait has a
deadline; what goes wrong is told with the server's log.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from support.parts import postgres, require
from support.servers import Group, ServerError, free_port

DEADLINE = 20.0


@dataclass(frozen=True)
class Kind:
    """How one kind of server is prepared, started and asked whether it is there."""

    parts: tuple[str, ...]
    url: str
    command: Callable[[Path, int], Sequence[str]]
    answers: Callable[[socket.socket], bool]
    prepare: Callable[[Path], None] | None = None


def _redis(home: Path, port: int) -> Sequence[str]:
    quiet = ["--save", "", "--appendonly", "no", "--dir", str(home)]
    return ["redis-server", "--bind", "127.0.0.1", "--port", str(port), *quiet]


def _redis_answers(sock: socket.socket) -> bool:
    sock.sendall(b"PING\r\n")
    return sock.recv(100).startswith((b"+PONG", b"-NOAUTH"))


def _nats(home: Path, port: int) -> Sequence[str]:
    return ["nats-server", "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", str(home / "data")]


def _nats_answers(sock: socket.socket) -> bool:
    return sock.recv(100).startswith(b"INFO")


def _postgres(home: Path, port: int) -> Sequence[str]:
    quick = ["-c", "fsync=off", "-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={home}"]
    return [
        *_unprivileged(),
        str(_programs() / "postgres"),
        "-D",
        str(home / "data"),
        "-p",
        str(port),
        *quick,
    ]


def _postgres_answers(sock: socket.socket) -> bool:
    """Log in: while it starts, a server answers with an error."""
    words = b"\x00\x03\x00\x00user\x00cable\x00database\x00postgres\x00\x00"
    sock.sendall((len(words) + 4).to_bytes(4, "big") + words)
    return sock.recv(1) == b"R"


def _initdb(home: Path) -> None:
    home.chmod(0o755)
    if _unprivileged():
        user = pwd.getpwnam("nobody")
        os.chown(home, user.pw_uid, user.pw_gid)
    options = ["--auth=trust", "--username=cable", "--encoding=UTF8", "--no-sync", "--no-locale"]
    command = [*_unprivileged(), str(_programs() / "initdb"), "-D", str(home / "data"), *options]
    subprocess.run(command, check=True, capture_output=True, timeout=60, cwd=home)


def _unprivileged() -> Sequence[str]:
    """What comes before a command that root may not run."""
    return ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] if os.geteuid() == 0 else []


def _programs() -> Path:
    folder = postgres()
    assert folder is not None
    return folder


KINDS = {
    "redis": Kind(("redis", "redis_server"), "redis://127.0.0.1:{}/0", _redis, _redis_answers),
    "postgres": Kind(
        ("psycopg", "postgres"),
        "postgresql://cable@127.0.0.1:{}/postgres",
        _postgres,
        _postgres_answers,
        _initdb,
    ),
    "nats": Kind(("nats", "nats_server"), "nats://127.0.0.1:{}", _nats, _nats_answers),
}


class Backend:
    """One server process; a context manager.

    `args` follow the kind's own, `program` comes before them. A kill, a restart and a pause leave port and
    data as they were.
    """

    def __init__(self, kind: str, *args: str, program: Sequence[str] = ()) -> None:
        require(*KINDS[kind].parts)
        self.kind = kind
        self.port = free_port()
        self._plan = KINDS[kind]
        self._args = args
        self._program = program
        self._home = Path(tempfile.mkdtemp(prefix=f"{kind}-"))
        self._group: Group | None = None

    def __enter__(self) -> Backend:
        try:
            if self._plan.prepare is not None:
                self._plan.prepare(self._home)
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        """What CABLE_URL has to be."""
        return self._plan.url.format(self.port)

    def start(self) -> Backend:
        """Start the process on the port that it had before, and wait until it answers."""
        first, *rest = self._plan.command(self._home, self.port)
        command = [first, *self._program, *rest, *self._args]
        self._group = Group(command, self._home, dict(os.environ))
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end and self._group.alive:
            with suppress(OSError):
                if self._answers():
                    return self
            time.sleep(0.01)
        raise ServerError(f"{self.kind} did not start\n--- its log ---\n{self.log()[-8000:]}")

    def _answers(self) -> bool:
        with socket.create_connection(("127.0.0.1", self.port), timeout=1.0) as sock:
            return self._plan.answers(sock)

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._group is not None:
            self._signal(signal.SIGKILL)
            self._group.end()
            self._group = None
            (self._home / "data" / "postmaster.pid").unlink(missing_ok=True)

    def restart(self) -> Backend:
        """Kill it and start it again."""
        self.kill()
        return self.start()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let it hang: connections stay open, and nobody answers."""
        try:
            self.hang()
            yield
        finally:
            self.go_on()

    def hang(self) -> None:
        """Begin what `paused` does."""
        self._signal(signal.SIGSTOP)
        end = time.monotonic() + DEADLINE
        while not self._stands_still():
            assert time.monotonic() < end, f"{self.kind} does not stand still"
            time.sleep(0.005)
            self._signal(signal.SIGSTOP)  # to those, too, that were born meanwhile

    def go_on(self) -> None:
        """End what `paused` does."""
        self._signal(signal.SIGCONT)

    def _stands_still(self) -> bool:
        """Whether the signal has reached every thread that lives; it takes its time."""
        assert self._group is not None
        tasks = [
            path
            for pid in family(self._group.leader.pid)
            for path in Path(f"/proc/{pid}/task").glob("*/stat")
        ]
        return all(path.read_text(errors="replace").rpartition(")")[2].split()[0] in "TZX" for path in tasks)

    def _signal(self, number: signal.Signals) -> None:
        """Tell the process and its children: PostgreSQL's leave the group of the one that was started."""
        assert self._group is not None
        for pid in family(self._group.leader.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def log(self) -> str:
        """What it wrote so far."""
        log = self._home / "log"
        return log.read_text(errors="replace") if log.exists() else ""

    def close(self) -> None:
        """End it and delete what it kept."""
        self.kill()
        shutil.rmtree(self._home, ignore_errors=True)


def family(pid: int) -> list[int]:
    """Return a process and all that descend from it, parents first."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parent = int(stat.read_text(errors="replace").rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(stat.parent.name))
    found = [pid]
    for one in found:
        found.extend(children.get(one, ()))
    return found
