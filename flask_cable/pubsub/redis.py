"""Pub/sub over Redis, Valkey and whatever speaks their protocol, with redis-py.

``redis://``, ``rediss://`` and ``unix://`` as redis-py takes them; ``redis+sentinel://`` asks sentinels for
the primary; ``redis+cluster://`` takes any node, for a cluster carries every message to every node.
"""

from __future__ import annotations

import os
import random
import select
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from ..errors import BusError, ConfigError
from .lending import is_ready
from .listening import Heard, Listener, Waiter
from .network import BusOptions, NetworkPubSub
from .resp import make_reader
from .sending import Broken, Sender
from .store import Store

MANY = 500
"""Addresses in one SUBSCRIBE, so that none is too long for a proxy."""


def library() -> Any:
    """redis-py. Raises ``ConfigError`` where it is not installed."""
    try:
        import redis
    except ImportError:
        raise ConfigError("CABLE_URL: Redis needs redis-py: pip install 'Flask-Cable[redis]'") from None
    return redis


class RedisPubSub(NetworkPubSub):
    """Streams are Redis channels of the same name behind the prefix."""

    def __init__(self, url: str, options: BusOptions | None = None) -> None:
        super().__init__(url, options)
        self._places = _places(url, self.timeout)

    def make_store(self) -> Store:
        from .redis_store import RedisStore

        return RedisStore(self._open, self.name, self.options.prefix, self.timeout)

    def listen(self) -> Listener:
        return RedisListener(self._open())

    def connect(self) -> Sender:
        return RedisSender(self._open())

    def _open(self, **at: Any) -> Any:
        """Connect to the first place that answers; ``at`` wins over what the URL says."""
        problem: Exception = BusError("no server is known")
        for place in self._places():
            connection = place(**at)
            try:
                connection.connect()
                return connection
            except library().RedisError as error:
                problem = error
        raise problem


class RedisListener(Listener):
    """One subscribing connection. Its replies are read here, many at a time, and not by redis-py."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._sock = connection._sock
        self._waiter = Waiter(self._sock)
        self._reader = make_reader()

    def subscribe(self, addresses: Sequence[str]) -> None:
        for start in range(0, len(addresses), MANY):
            self._say("SUBSCRIBE", *addresses[start : start + MANY])

    def unsubscribe(self, addresses: Sequence[str]) -> None:
        for start in range(0, len(addresses), MANY):
            self._say("UNSUBSCRIBE", *addresses[start : start + MANY])

    def probe(self) -> None:
        self._say("PING")

    def _say(self, *words: str) -> None:
        connection = self._connection
        connection.send_packed_command(connection.pack_command(*words), check_health=False)

    def receive(self, timeout: float) -> Iterator[Heard] | None:
        if not self._waiter.wait(timeout):
            return None
        self._read()
        return self._heard()

    def _read(self) -> None:
        while True:
            data = self._sock.recv(65536)
            if not data:
                raise BusError("the server closed the connection")
            self._reader.feed(data)
            if not (hasattr(self._sock, "pending") and self._sock.pending()):  # TLS has no more of it
                return

    def _heard(self) -> Iterator[Heard]:
        while (reply := self._reader.gets()) is not False:
            if isinstance(reply, Exception):
                raise BusError(str(reply))
            if isinstance(reply, list):
                if reply[0] == b"message":
                    yield reply[1].decode(), reply[2]
                elif reply[0] == b"subscribe":
                    yield reply[1].decode(), None

    def wake(self) -> None:
        self._waiter.wake()

    def close(self) -> None:
        self._waiter.close()
        self._connection.disconnect()


class RedisSender(Sender):
    """One publishing connection, on which nothing is said twice."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def send(self, messages: Sequence[tuple[str, bytes]]) -> Mapping[int, Exception]:
        connection = self._connection
        commands = [("PUBLISH", address, payload) for address, payload in messages]
        connection.send_packed_command(connection.pack_commands(commands), check_health=False)
        refused: dict[int, Exception] = {}
        refusal = library().ResponseError
        for place in range(len(commands)):
            try:
                connection.read_response()
            except refusal as error:
                refused[place] = error
            except Exception as error:
                raise Broken(error, place) from error
        return refused

    @property
    def is_stale(self) -> bool:
        return is_ready(self._connection._sock.fileno(), select.POLLIN, 0)

    def close(self) -> None:
        self._connection.disconnect()


# Where the servers are.

Place = Callable[..., Any]


def _places(url: str, timeout: float) -> Callable[[], Sequence[Place]]:
    """A function that lists what could be connected to now, best first."""
    scheme, _, rest = url.partition("://")
    base, _, kind = scheme.lower().replace("valkey", "redis").partition("+")
    if kind == "sentinel":
        return _sentinel_places(f"{base}://{rest}", timeout)
    urls = _cluster_urls(base, rest) if kind == "cluster" else [f"{base}://{rest}"]
    places = [_place(one, timeout) for one in urls]
    return lambda: random.sample(places, len(places))


def _cluster_urls(base: str, rest: str) -> list[str]:
    """``user:password@a:7000,b:7001?x=y`` as one URL per node."""
    parts = urlsplit(f"{base}://{rest}")
    login, at, hosts = parts.netloc.rpartition("@")
    query = f"?{parts.query}" if parts.query else ""
    return [f"{base}://{login}{at}{host}{query}" for host in hosts.split(",")]


def _place(url: str, timeout: float, **fixed: Any) -> Place:
    """What makes connections to one URL. Raises ``ConfigError``."""
    try:
        tcp = {} if url.startswith("unix:") else {"socket_keepalive": True}
        pool = library().ConnectionPool.from_url(url, **_settings(timeout), **tcp)
        pool.connection_kwargs.update(protocol=2, decode_responses=False, **fixed)
        pool.make_connection()  # which connects to nothing yet, but says what is wrong with the URL
    except (ValueError, TypeError) as error:
        raise ConfigError(f"CABLE_URL: {error}") from None
    return lambda **at: pool.connection_class(**{**pool.connection_kwargs, **at})


def _settings(timeout: float) -> dict[str, Any]:
    """How every connection is made, unless the URL says otherwise; nothing is tried twice behind our back."""
    return {
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "retry": library().retry.Retry(library().backoff.NoBackoff(), 0),
        "client_name": f"flask-cable-{os.getpid()}",
    }


def _sentinel_places(url: str, timeout: float) -> Callable[[], Sequence[Place]]:
    """``user:password@a:26379,b:26379/service/db?sentinel_password=...``: the primary of a service."""
    parts = urlsplit(url)
    login, at, hosts = parts.netloc.rpartition("@")
    service, _, db = parts.path.strip("/").partition("/")
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    access = {
        name: query[f"sentinel_{name}"] for name in ("username", "password") if f"sentinel_{name}" in query
    }
    sentinel = library().sentinel.Sentinel(
        [_host_and_port(host) for host in hosts.split(",")],
        sentinel_kwargs={**_settings(timeout), "protocol": 2, **access},
    )
    rest = "&".join(f"{name}={value}" for name, value in query.items() if not name.startswith("sentinel_"))
    tail = f"/{db or 0}" + (f"?{rest}" if rest else "")

    def primary() -> list[Place]:
        wanted = unquote(service) or "mymaster"
        try:
            host, port = sentinel.discover_master(wanted)
        except library().sentinel.MasterNotFoundError:  # whose text is a page long
            raise BusError(f"no sentinel of {hosts} answers and knows a primary {wanted!r}") from None
        host = f"[{host}]" if ":" in str(host) else host
        return [_place(f"{parts.scheme}://{login}{at}{host}:{port}{tail}", timeout)]

    return primary


def _host_and_port(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon:
        return text, 26379
    try:
        return host.strip("[]"), int(port)
    except ValueError:
        raise ConfigError(f"CABLE_URL: {port!r} is no port") from None
