"""Cable: Flask-Cable's face. Registers the route, channels and the connection class, and broadcasts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast, overload
from weakref import WeakSet

from flask import Blueprint, Flask, current_app, has_app_context, request_started
from werkzeug.exceptions import HTTPException

from .assets import add_script
from .broadcasting import watch_models
from .calls import seal_session
from .cli import cable_commands
from .config import KEYS, Config
from .core.connection import Connection
from .core.group import Group
from .core.registry import disconnect_each
from .core.unique import Unique
from .endpoints.behaviour import Behaviour
from .endpoints.channels import Channel
from .endpoints.push import BUILT_IN
from .endpoints.socketio import Settings, SocketIOHandler, SocketIOServer
from .errors import ConfigError, NotReady
from .health import add_health
from .pages import cable_is_socket, socket_connection_id
from .protocols.serializers import is_serializer
from .protocols.turbo import dom_id, message
from .pubsub import PubSub, adapter_of
from .remote import RemoteConnections
from .routes import BehaviourRoute, ChannelsRoute, EventsRoute, PagesRoute, Route, SocketIORoute
from .runtime import CableState, Runtime
from .sockets import serve
from .streams import Coder, broadcasting_for, channel_name, stream_key
from .templating import (
    cable_meta_tag,
    cable_script,
    cable_script_url,
    cable_stream_from,
    cable_url,
    turbo_stream_from,
)
from .turbo import turbo_request_id, turbo_stream
from .upgrade import UpgradeMiddleware

ChannelClass = TypeVar("ChannelClass", bound=type[Channel])
BehaviourClass = TypeVar("BehaviourClass", bound=type[Behaviour])
ConnectionClass = TypeVar("ConnectionClass", bound=type[Connection])
Handle = TypeVar("Handle", bound=Callable[..., Any])
Identify = TypeVar("Identify", bound=Callable[[], Any])

TEMPLATE_GLOBALS = {
    "cable_url": cable_url,
    "cable_meta_tag": cable_meta_tag,
    "cable_script": cable_script,
    "cable_script_url": cable_script_url,
    "cable_stream_from": cable_stream_from,
    "cable_is_socket": cable_is_socket,
    "socket_connection_id": socket_connection_id,
    "turbo_stream_from": turbo_stream_from,
    "turbo_stream": turbo_stream,
    "dom_id": dom_id,
}
"""What every template may call."""


class Cable:
    """The extension. One object may serve several applications; it keeps none of them.

    Args:
        pubsub: how processes hear each other, instead of what CABLE_URL names: an adapter, or better what
            makes one, which is called once in each process.

    Attributes:
        channels: registered name -> channel class: all that a peer may subscribe to.
        connection_class: what every peer becomes.
    """

    def __init__(
        self, app: Flask | None = None, *, pubsub: PubSub | Callable[[], PubSub] | None = None
    ) -> None:
        self.pubsub = pubsub
        self.channels: dict[str, type[Channel]] = {}
        self.connection_class: type[Connection] = Connection
        self.channels_route = ChannelsRoute("", "cable")
        self.pages_route = PagesRoute("", "cable_socket")
        self.routes: list[Route] = []
        self.serializers: dict[Any, Any] = {}
        self._apps: WeakSet[Flask] = WeakSet()
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Attach to an application: the route, the CLI, the Jinja helpers.

        Raises:
            ConfigError: a CABLE_* key is wrong, or CABLE_URL names no adapter.
            RuntimeError: the application has a cable already.
        """
        if "cable" in app.extensions:
            raise RuntimeError("this application has a Cable already; call init_app once per application")
        config = self._configure(app)
        app.extensions["cable"] = CableState(app, self)
        self._add_routes(app, config)
        request_started.connect(seal_session, app)
        app.wsgi_app = UpgradeMiddleware(app.wsgi_app)  # type: ignore[method-assign]
        app.jinja_env.globals.update(TEMPLATE_GLOBALS)
        app.cli.add_command(cable_commands)
        watch_models()
        app.app_protocol = _app_protocol(app, self)  # type: ignore[attr-defined]
        self._apps.add(app)

    def _configure(self, app: Flask) -> Config:
        """Give settings their defaults, and check them."""
        for name, key in KEYS.items():
            app.config.setdefault(name, key.default)
        config = Config(app.config)
        if self.pubsub is None:
            adapter_of(config.url)
        return config

    def _add_routes(self, app: Flask, config: Config) -> None:
        path = config.mount_path
        self.channels_route.add_to(app, path)
        self.pages_route.add_to(app, f"{path.rstrip('/')}/socket")
        for route in self.routes:
            if route.blueprint is None:
                route.add_to(app)
        add_script(app, path)
        add_health(app, config)

    # Registering.

    @overload
    def channel(self, name: ChannelClass) -> ChannelClass: ...

    @overload
    def channel(self, name: str) -> Callable[[ChannelClass], ChannelClass]: ...

    def channel(self, name: Any) -> Any:
        """Register a channel class under its own name, or under ``@cable.channel("Admin::LogChannel")``.

        Raises:
            ConfigError: not a channel class, or another class has that name.
        """
        if isinstance(name, str):
            return lambda channel_class: self._register(name, channel_class)
        return self._register(getattr(name, "__name__", repr(name)), name)

    def _register(self, name: str, channel_class: Any) -> Any:
        is_channel = isinstance(channel_class, type) and issubclass(channel_class, Channel)
        if not is_channel or channel_class is Channel:
            raise ConfigError(f"@cable.channel is for subclasses of Channel, and {name} is none")
        known = self.channels.get(name)
        if known is not None and known.__qualname__ != channel_class.__qualname__:
            where = f"{known.__module__}.{known.__qualname__}"
            raise ConfigError(f"a channel is registered as {name!r} already: {where}")
        channel_class.registered_as = name
        channel_class.broadcaster = self.broadcast
        self.channels[name] = channel_class
        return channel_class

    def connection(self, connection_class: ConnectionClass) -> ConnectionClass:
        """Make ``connection_class`` what every peer becomes.

        Raises:
            ConfigError: not a subclass of Connection.
        """
        if not isinstance(connection_class, type) or not issubclass(connection_class, Connection):
            raise ConfigError("@cable.connection is for a subclass of Connection")
        self.connection_class = connection_class
        return connection_class

    def identify(self, function: Identify) -> Identify:
        """Shorthand for a connection class: the function's name is the identifier, None refuses."""

        def connect(connection: Connection) -> None:
            value = function()
            if value is None:
                connection.reject_unauthorized_connection()
            connection.set_identifier(function.__name__, value)

        body = {"identified_by": (function.__name__,), "connect": connect, "__slots__": ()}
        self.connection_class = type("IdentifiedConnection", (Connection,), body)
        return function

    def behaviour(
        self,
        rule: str,
        *,
        idle_timeout: float | None = 60.0,
        max_frame_bytes: int = 5_000_000,
        endpoint: str | None = None,
        blueprint: Blueprint | None = None,
    ) -> Callable[[BehaviourClass], BehaviourClass]:
        """Serve a subclass of ``Behaviour`` at a URL rule.

        Args:
            idle_timeout: seconds without a frame or a ping of the peer's until it is closed (at most a
                fifth as many more); None never ends for that.
            max_frame_bytes: the largest message of a peer; past it close 1009.
            endpoint: what ``url_for`` calls it: by default the class's name, in snake case.
            blueprint: where to register it instead of the application.

        Raises:
            ConfigError: not a subclass of Behaviour, or a bound is wrong.
        """

        def register(behaviour_class: BehaviourClass) -> BehaviourClass:
            if not isinstance(behaviour_class, type) or not issubclass(behaviour_class, Behaviour):
                raise ConfigError(f"@cable.behaviour is for a subclass of Behaviour, not {behaviour_class!r}")
            options = {
                "blueprint": blueprint,
                "max_message_bytes": max_frame_bytes,
                "decorators": behaviour_class.decorators,
            }
            name = endpoint or channel_name(behaviour_class.__name__)
            self.add_route(BehaviourRoute(rule, name, behaviour_class, idle_timeout, **options))
            return behaviour_class

        return register

    def websocket(
        self,
        rule: str,
        *,
        serializer: Any = None,
        endpoint: str | None = None,
        **options: Any,
    ) -> EventsRoute:
        """Serve a WebSocket whose messages are your own: register handlers on what this returns, or decorate
        a function with it.

        Args:
            rule: a Flask URL rule; its arguments are ``connection.request.view_args``.
            serializer: ``"json"``, ``"msgpack"``, a name that ``cable.serializer`` registered, or an object
                with ``encode`` and ``decode``. None leaves text and bytes alone.
            endpoint: what ``url_for`` calls it; ``websocket:<rule>`` by default.
            options: ``middleware``, ``subprotocols``, ``blueprint``, ``max_message_bytes``, ``idle_timeout``.
        """
        name = endpoint or f"websocket:{rule}".replace(".", "_")  # Flask wants no dots
        route = EventsRoute(rule, name, runtime=self._runtime, serializer=serializer, **options)
        self.add_route(route)
        return route

    def serializer(self, name: str, serializer: Any = None) -> Any:
        """Register how messages are made and read: ``@cable.serializer("cbor")``, or as a call.

        Args:
            serializer: an object with ``encode`` and ``decode``, or a class or function that makes one.
                What ``encode`` returns as ``bytes`` goes out as a binary message.

        Raises:
            ConfigError: it is none of these.
        """
        if serializer is None:
            return lambda serializer: self.serializer(name, serializer)
        if not callable(serializer) and not is_serializer(serializer):
            raise ConfigError(f"serializer {name!r} needs `encode` and `decode`")
        self.serializers[name] = serializer
        return serializer

    def handler(self, action: str) -> Callable[[Handle], Handle]:
        """Have a page's messages of this action handled by ``function(message, session, response)``.

        What it returns is the reply to a message that has an id: a dict, or any value, which becomes its
        ``body``, or None for ``response`` as it is. A second function takes the first one's place.

        Raises:
            ConfigError: the action is one of Flask-Cable's own, or no text.
        """
        if not isinstance(action, str) or action in ("", *BUILT_IN):
            raise ConfigError(f"@cable.handler needs an action, and {action!r} is none that may be handled")

        def register(function: Handle) -> Handle:
            self.pages_route.registered.actions[action] = _called(function, "@cable.handler")
            return function

        return register

    def on(self, event: str) -> Callable[[Handle], Handle]:
        """Run ``function(connection)`` when the socket of a page comes, ``"join"``, or goes, ``"leave"``.

        Several run in the order in which they were registered.

        Raises:
            ConfigError: there is no such event.
        """
        hooks = self.pages_route.registered.hooks
        if event not in hooks:
            raise ConfigError(f"@cable.on knows {', '.join(hooks)}; {event!r} is none of them")

        def register(function: Handle) -> Handle:
            hooks[event].append(_called(function, "@cable.on"))
            return function

        return register

    def socketio(
        self, path: str = "/socket.io", *, endpoint: str | None = None, **settings: Any
    ) -> SocketIOServer:
        """Serve Socket.IO's clients at ``path``; returns the main namespace, which knows the others.

        Args:
            path: what clients are given as ``path``.
            endpoint: what ``url_for`` calls it; made of the path when None.
            settings: fields of ``flask_cable.endpoints.socketio.Settings``: ``ping_interval=25``,
                ``ping_timeout=20`` and other times in seconds, ``max_payload=1_000_000`` bytes,
                ``transports=("polling", "websocket")``, ``recovery_seconds=None``, and limits.

        Raises:
            ConfigError: the path or a setting is wrong.
        """
        io = SocketIOServer(path, Settings.checked(settings))
        route = SocketIORoute(io, endpoint or io.endpoint)
        io.serve_with(lambda: cast(SocketIOHandler, self._runtime().mount(route).handler))
        self.add_route(route)
        return io

    def add_route(self, route: Route) -> None:
        """Serve ``route`` in every application of this cable, or wherever its blueprint is registered."""
        self.routes.append(route)
        for scaffold in self._apps if route.blueprint is None else (route.blueprint,):
            route.add_to(scaffold)

    # From anywhere, with no context.

    def broadcast(
        self,
        stream: Any,
        message: Any,
        exclude: Connection | Channel | None = None,
        coder: Coder | None = None,
    ) -> None:
        """Send ``message`` to everybody who hears ``stream``, in every process.

        Args:
            stream: a name, or an object that ``stream_key`` names.
            message: whatever the application's JSON provider encodes.
            exclude: one connection that is not to hear it.

        Raises:
            EncodeError: the message has no JSON form; nothing was sent.
            NotReady: outside any context and with several applications.
        """
        self._runtime().handler.broadcast(stream_key(stream), message, coder, exclude)

    def push(self, message: Any, *streams: Any) -> None:
        """Push any JSON value to every page that hears one of these streams, in every process.

        Unlike a broadcast it waits, for a while, for pages whose sockets are not there yet.

        Args:
            streams: names, in which ``*`` stands for anything but a ``;``, or models. A page that several of
                them reach is sent one copy.

        Raises:
            ValueError: no stream is named.
            EncodeError: the message has no JSON form; nothing was sent.
            BusError: the server behind the adapter or the store did not answer.
        """
        self._state().pages.pusher.push(message, *streams)

    def push_to(self, digest: str, message: Any, stream: Any) -> None:
        """Push to the page of this ``socket.digest`` alone, as if by ``stream``, which it need not hear.

        Raises:
            EncodeError: the message has no JSON form; nothing was sent.
            BusError: the server behind the adapter or the store did not answer.
        """
        self._state().pages.pusher.push_to(digest, message, stream)

    def broadcast_refresh(self, stream: Any, *, method: str | None = None, scroll: str | None = None) -> None:
        """Let the pages that hear ``stream`` load themselves again, but for the one whose request this is.

        Goes out once ``CABLE_REFRESH_DELAY`` has passed without another one for the same stream and request.

        Args:
            method: ``"morph"`` or ``"replace"``; the page's own choice when None.
            scroll: ``"preserve"`` or ``"reset"``; the page's own choice when None.

        Raises:
            ValueError: ``method`` or ``scroll`` is something else.
            NotReady: outside any context and with several applications.
        """
        name, request_id = stream_key(stream), turbo_request_id()
        refresh = message("refresh", method=method, scroll=scroll, request_id=request_id)
        self._runtime().refreshes.call((name, request_id), name, refresh)

    def signed_stream_name(self, *streams: Any) -> str:
        """Sign a stream's name: whoever holds it may hear the stream, as Turbo's and AnyCable's clients do.

        Args:
            streams: the parts of the name, as for ``broadcasting_for``; usually one.

        Raises:
            ConfigError: there is no secret to sign with.
        """
        return self._state().verifier.sign(broadcasting_for(*streams))

    @property
    def connections(self) -> Mapping[int, Connection]:
        """This process's live connections by id."""
        return self._runtime().registry

    @property
    def unique(self) -> Unique:
        """Names that one connection of the cluster has: ``cable.unique.register("user:7", connection)``."""
        return self._runtime().unique

    @property
    def group(self) -> Group:
        """Names that any number of connections share: ``cable.group.join("team:1", connection)``."""
        return self._runtime().group

    @property
    def remote_connections(self) -> RemoteConnections:
        """Connections wherever they are: ``cable.remote_connections.where(current_user=7).disconnect()``."""
        return RemoteConnections(self, lambda: self._runtime().registry)

    def restart(self) -> None:
        """Tell every peer of this process ``server_restart`` and close; they come back, the process lives."""
        disconnect_each(self._runtime().registry.all(), "server_restart", reconnect=True)

    def serve(self, ws: Any) -> str:
        """Run the cable over a WebSocket that something else opened, within its request.

        Takes flask-sock's and simple-websocket's object, and gevent-websocket's. Returns, with nothing to
        say, when the peer is gone (gevent-websocket: at once).
        """
        return serve(current_app.extensions["cable"], ws)

    def _runtime(self) -> Runtime:
        return self._state().runtime()

    def _state(self) -> CableState:
        app: Flask | None = None
        if has_app_context():
            app = current_app._get_current_object()  # type: ignore[attr-defined]
        if app is None or app not in self._apps:
            app = self._only_app()
        state: CableState = app.extensions["cable"]
        return state

    def _only_app(self) -> Flask:
        apps = list(self._apps)
        if not apps:
            raise NotReady("this Cable has no application yet: call cable.init_app(app) first")
        if len(apps) > 1:
            raise NotReady("this Cable serves several applications: call it in `with app.app_context():`")
        return apps[0]


def _called(function: Handle, decorator: str) -> Handle:
    if not callable(function):
        raise ConfigError(f"{decorator} is for functions, and {function!r} is none")
    return function


def _app_protocol(app: Flask, cable: Cable) -> Callable[[str], str | None]:
    """What gevent-websocket asks an application before it answers a handshake: what a path speaks.

    It does not tell what the peer offers, so of several subprotocols only the most wanted can be chosen.
    """

    def protocol_of(path: str) -> str | None:
        try:
            endpoint, _ = app.url_map.bind("").match(path, "GET", websocket=True)
        except HTTPException:
            return None
        routes = (cable.channels_route, cable.pages_route, *cable.routes)
        spoken = [name for route in routes if route.is_called(endpoint) for name in route.subprotocols]
        return spoken[0] if spoken else None

    return protocol_of
