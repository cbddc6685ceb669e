"""A cluster for tests: two gunicorn servers of some workers each, and one server between them."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from support.backends import Backend
from support.parts import require
from support.servers import KINDS, Server
from support.wire import Wire, eventually

APP = "support.apps.cluster:create_app()"


class Cluster:
    """Two servers behind one backend; a context manager.

    Attributes:
        backend: the server between them.
        servers: the two.
    """

    def __init__(
        self,
        backend: str,
        kind: str = "gunicorn-gevent",
        workers: int = 2,
        *,
        args: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        **settings: object,
    ) -> None:
        require(*KINDS[kind].parts)
        self._stack = ExitStack()
        self._kind = kind
        self._args = (*(("-w", str(workers)) if kind.startswith("gunicorn") else ()), *args)
        self._more_env = env or {}
        self._settings = {"CABLE_BUS_TIMEOUT": 2, **settings}
        self.backend = Backend(backend)
        self._port = self.backend.port

    def __enter__(self) -> Cluster:
        with ExitStack() as stack:
            self.home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cluster-")))
            stack.enter_context(self.backend)
            self.servers = [stack.enter_context(self.make()) for _ in range(2)]
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def make(self, **settings: object) -> Server:
        """A server of this cluster, not yet started."""
        return Server(self._kind, APP, args=self._args, env=self._env(settings))

    def _env(self, settings: Mapping[str, object]) -> dict[str, str]:
        url = self.backend.url.replace(f":{self.backend.port}", f":{self._port}")
        values = {"CABLE_URL": url, **self._settings, **settings}
        files = {"CLUSTER_JOURNAL": self.journal_file, "CLUSTER_GATE": self.gate}
        return {
            **{f"CLUSTER_{name}": str(value) for name, value in values.items()},
            **{name: str(path) for name, path in files.items()},
            **self._more_env,
        }

    def through(self, port: int) -> None:
        """Let the servers reach the backend through this port: a proxy's."""
        self._port = port

    @property
    def ports(self) -> list[int]:
        """Where the servers are."""
        return [server.port for server in self.servers]

    @property
    def gate(self) -> Path:
        """The file for which a peer's `connect` waits."""
        return self.home / "gate"

    @property
    def journal_file(self) -> Path:
        return self.home / "journal"

    def journal(self) -> list[tuple[float, int, str, list[str]]]:
        """What processes noted: when, which, what, and the rest."""
        if not self.journal_file.exists():
            return []
        words = [line.split() for line in self.journal_file.read_text().splitlines()]
        return [(float(time), int(pid), what, rest) for time, pid, what, *rest in words]

    def publish(self, number: int, stream: str = "news") -> Any:
        """Broadcast from one server, and from the other next time."""
        return self.servers[number % 2].post(f"/broadcast/{stream}", {"number": number})

    def join(self, server: int, query: str = "", *channels: str) -> Wire:
        """A peer of one server, welcomed and subscribed."""
        wire = Wire(self.ports[server])
        answer = wire.ask(f"/cable?{query}")
        assert answer.status == 101, answer
        assert wire.hear() == {"type": "welcome"}
        for channel in channels:
            wire.subscribe(channel)
        return wire

    def until_health(self, status: int) -> None:
        """Wait until several looks in a row, at whatever worker answers, tell the same."""
        for server in self.servers:
            eventually(lambda server=server: self._healths(server) == {status}, f"health is {status}")

    @staticmethod
    def _healths(server: Server) -> set[int]:
        return {server.get("/cable/health").status for _ in range(6)}
