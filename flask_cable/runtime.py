"""What one application has in one process: hub, executor, registry, handler; made with the first use.

Nothing here is made before a worker forks, and a process that finds itself forked makes it anew.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from flask import Flask
from flask.json.provider import DefaultJSONProvider
from jinja2 import Environment

from . import signals
from .admission import Admission
from .assets import Script, load_script
from .config import Config
from .core.debounce import Debounce
from .core.drain import Drain
from .core.group import Group
from .core.handler import Handler, Rate, StreamLimits
from .core.heartbeat import IdleWatch, Liveness
from .core.hub import Hub
from .core.lease import Lease
from .core.outage import Outage
from .core.registry import Registry
from .core.rounds import Rounds
from .core.unique import Unique
from .endpoints.channels import ChannelsHandler
from .endpoints.push import PagesHandler
from .errors import BusError
from .executors import choose_executor
from .keys import page_key, stream_verifier
from .lifespan import Lifespan
from .protocols.json import Json, enum_aware
from .protocols.signing import MessageVerifier
from .pubsub import PubSub, Watcher, open_pubsub
from .templating import shared_environment
from .transports import Codecs, Limits

if TYPE_CHECKING:
    from .extension import Cable
    from .routes import Route

logger = logging.getLogger("flask_cable")


class CableState:
    """``app.extensions["cable"]``: the extension, its settings, and this process's runtime."""

    def __init__(self, app: Flask, cable: Cable) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._runtime: Runtime | None = None
        self._pid = 0
        self.cable = cable

    def runtime(self, sock: Any = None) -> Runtime:
        """This process's runtime; ``sock`` is a server's socket, which tells under what it runs."""
        if self._runtime is None or self._pid != os.getpid():
            with self._lock:
                if self._runtime is None or self._pid != os.getpid():
                    self._runtime = Runtime(self._app, self.cable, sock)
                    self._pid = os.getpid()
        return self._runtime

    @cached_property
    def verifier(self) -> MessageVerifier:
        """Signs names of streams. Raises ``ConfigError`` where there is no secret."""
        return stream_verifier(self._app.config)

    @cached_property
    def script(self) -> Script:
        """The JavaScript client."""
        return load_script()

    @cached_property
    def page_key(self) -> bytes:
        """What tells pages apart. Raises ``ConfigError`` where there is no secret."""
        return page_key(self._app.config)

    @property
    def pages(self) -> PagesHandler:
        """Serves the sockets of pages in this process."""
        return cast(PagesHandler, self.runtime().mount(self.cable.pages_route).handler)

    @property
    def marks_pages(self) -> bool:
        """Whether pages bear their ids."""
        return bool(self._app.config["CABLE_SOCKET_BODY"])

    @cached_property
    def templates(self) -> Environment:
        """Renders what goes to everybody."""
        return shared_environment(self._app)

    def reset(self) -> None:
        """Let the next use make a new runtime, with the settings of then."""
        for secret in ("verifier", "page_key"):
            self.__dict__.pop(secret, None)
        if self._runtime is not None:
            self._runtime.lifespan.forget()
            self._runtime.stop()
            self._runtime.executor.stop()
        self._runtime = None


class Mounted(NamedTuple):
    """A route in one process: its handler, and what carries its peers."""

    handler: Handler
    codecs: Codecs
    inflating_codecs: Codecs
    limits: Limits


class Runtime:
    """One application in one process."""

    def __init__(self, app: Flask, cable: Cable, sock: Any = None) -> None:
        self.app = app
        self.cable = cable
        self.config = config = Config(app.config)
        self.json = json_of(app)
        self.executor = choose_executor(config.executor, sock, config.workers)
        self.bus = open_bus(cable if self.executor.is_real else None, config)
        self.hub = Hub(self.bus, self.executor)
        self.registry = Registry(self.hub)
        self.lease = Lease(self.hub.node, self.bus, self.executor, config.lease_seconds)
        names = (self.registry, self.hub, self.lease, self.json.encode)
        self.unique = Unique(*names, config.names_per_connection)
        self.group = Group(*names, config.groups_per_connection)
        self._mounted: dict[Route, Mounted] = {}
        self._mounting = threading.Lock()
        self.handler = cast(ChannelsHandler, self.mount(cable.channels_route).handler)
        self.drain = Drain(self.registry, self.executor)
        self.outage = Outage(
            self.hub,
            self.registry,
            self.executor,
            config.drain_seconds if config.gap == "disconnect" else None,
            self.unique.owners,
        )
        self.bus.watch(Watcher(self._lost, self._restored))
        self.refreshes = Debounce(self.executor, config.refresh_delay, self._refresh)
        self.lifespan = Lifespan(
            self.drain, self.executor, config.drain_seconds, self.stop, self.refreshes.flush
        )
        if self.executor.is_real:
            self.lifespan.watch()
        self.admission = Admission(self)
        logger.info("%s executor, %s pub/sub", self.executor.name, self.bus.name)

    def stop(self) -> None:
        """Give up names and groups, and what connects this process to the others."""
        for mounted in self._mounted.values():
            mounted.handler.stop()
        self.lease.retire()
        self.bus.stop()

    # Outages, on a thread of the adapter.

    def _lost(self, error: BusError) -> None:
        self.outage.lost()
        self.executor.submit(self._tell, signals.backend_lost, {"error": error})

    def _restored(self, seconds: float) -> None:
        self.outage.restored()
        self.executor.submit(self._tell, signals.backend_restored, {"seconds": seconds})

    def _tell(self, signal: signals.NamedSignal, moment: dict[str, Any]) -> None:
        """Send a signal in the application's context."""
        with self.app.app_context():
            signal.send(self.app, adapter=self.bus.name, **moment)

    def _refresh(self, stream: str, message: Any) -> None:
        try:
            self.handler.broadcast(stream, message)
        except Exception:
            logger.exception("a refresh of %r was not broadcast", stream)

    def mount(self, route: Route) -> Mounted:
        """A route's handler in this process, made with its first use."""
        mounted = self._mounted.get(route)
        if mounted is None:
            with self._mounting:
                mounted = self._mounted.get(route) or self._mount(route)
                self._mounted[route] = mounted
        return mounted

    def _mount(self, route: Route) -> Mounted:
        config = self.config
        size = route.max_message_bytes or config.max_message_bytes
        limits = Limits(
            size, config.outbox_bytes, config.close_timeout, config.stale_after, config.outbox_messages
        )
        return Mounted(route.make_handler(self), Codecs(size), Codecs(size, inflating=True), limits)

    def resources(self) -> dict[str, Any]:
        """What every handler is made of: hub, executor, registry, scope, limits, who sends its signals."""
        return {
            "hub": self.hub,
            "executor": self.executor,
            "registry": self.registry,
            "scope": self.app.app_context,
            "inbox_limit": self.config.inbox_messages,
            "inbox_bytes": self.config.inbox_bytes,
            "rate": Rate(self.config.messages_per_second, self.config.messages_burst),
            "stream_limits": StreamLimits(self.config.max_streams, self.config.handshake_timeout),
            "sender": self.app,
            "decode": self.json.decode,
            "server_messages_limit": self.config.server_messages,
        }

    def watches(self, idle_timeout: float | None) -> list[Rounds]:
        """What visits connections of any style: signs of life, and how long one may say nothing."""
        found: list[Rounds] = [Liveness(self.executor, self.config.stale_after)]
        if idle_timeout is not None:
            found.append(IdleWatch(self.executor, idle_timeout))
        return found


def open_bus(cable: Cable | None, config: Config) -> PubSub:
    """The application's adapter: what it was given, or what CABLE_URL names.

    Args:
        cable: what may have been given one; under test there is none.

    Raises:
        ConfigError: there is no such adapter, or its library is missing.
    """
    given = None if cable is None else cable.pubsub
    if given is None:
        return open_pubsub(config.url, config.bus_options)
    return given if isinstance(given, PubSub) else given()


def json_of(app: Flask) -> Json:
    """JSON as the application's provider has it; compact, strict, and fast where that changes nothing."""
    provider = app.json
    kind = type(provider)
    own = vars(provider)  # functions may be set on the object, too
    dumps_is_own = kind.dumps is not DefaultJSONProvider.dumps or "dumps" in own
    if not isinstance(provider, DefaultJSONProvider) or dumps_is_own:
        return Json(provider.dumps, provider.loads)
    default = enum_aware(provider.default)
    dumps = partial(provider.dumps, default=default, allow_nan=False, separators=(",", ":"))
    is_plain = kind.loads is DefaultJSONProvider.loads and "loads" not in own
    loads = json.loads if is_plain else provider.loads
    as_flask = provider.default is DefaultJSONProvider.default
    return Json(dumps, loads, default if as_flask else None, provider.sort_keys)
