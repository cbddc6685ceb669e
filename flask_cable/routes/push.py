"""Where pages connect: ``<CABLE_MOUNT_PATH>/socket?socket_connection_id=...``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Request, current_app, request
from flask.typing import ResponseReturnValue

from ..calls import CallLimits, Calls
from ..core.connection import Connection
from ..endpoints.push import Ledger, PageLimits, PagesHandler, Patience, Registered, Renewal
from ..endpoints.push.page import Page
from ..errors import BusError, ConfigError
from ..pages import digest_of, id_and_key
from ..protocols.opening import Refusal
from ..protocols.push import PageProtocol
from .base import Route

if TYPE_CHECKING:
    from ..runtime import CableState, Runtime


class PagesRoute(Route):
    """The sockets of pages; the handlers and hooks that the application has registered are here."""

    def __init__(self, rule: str, endpoint: str) -> None:
        super().__init__(rule, endpoint)
        self.registered = Registered({}, {"join": [], "leave": []})

    def make_handler(self, runtime: Runtime) -> PagesHandler:
        config = runtime.config
        patience = Patience(config.socket_wait_seconds, config.socket_resume_seconds, config.socket_buffer)
        limits = CallLimits(config.call_routes, config.call_bytes, config.call_seconds)
        handler = PagesHandler(
            self.registered,
            PageProtocol(runtime.json),
            Ledger(runtime.bus.store, patience),
            Calls(runtime.app, limits, runtime.executor.monotonic),
            **runtime.resources(),
        )
        handler.limits = PageLimits(config.max_streams, config.calls_per_second, config.calls_burst)
        watches = runtime.watches(config.idle_timeout)
        if runtime.bus.is_shared and patience.resume:  # else nothing outlives a crash
            watches.append(Renewal(runtime.executor, handler))
        handler.watches = watches
        return handler

    def admit(self, connection: Connection, request: Request) -> ResponseReturnValue | None:
        """Let a page in; one that nobody knows is deaf, or refused where that is wanted."""
        state: CableState = current_app.extensions["cable"]
        digest = _digest(state, connection, request)
        connection.state = Page(digest)
        refusal = super().admit(connection, request)
        if refusal is not None and current_app.config["CABLE_SOCKET_ANONYMOUS"]:
            connection.is_rejected, refusal = False, None
        if refusal is None and current_app.config["CABLE_SOCKET_STRICT"]:
            return self._unless_known(state.pages, digest, request)
        return refusal

    def _unless_known(self, pages: PagesHandler, digest: str, request: Request) -> ResponseReturnValue | None:
        try:
            known = pages.is_known(digest)
        except BusError:
            return self.refused(Refusal(503, "Pages cannot be looked up now; come back."), request)
        return None if known else self.refused(Refusal(403, "No page is known by this id and key."), request)

    def view_http(self, **arguments: object) -> ResponseReturnValue:
        text = "This address speaks WebSocket: it is for the sockets of this application's pages."
        return self.refused(Refusal(426, text), request)


def _digest(state: CableState, connection: Connection, request: Request) -> str:
    """Whose socket this is; "" where it cannot be any page's."""
    try:
        return digest_of(state.page_key, *id_and_key(request, connection.session))
    except ConfigError:  # without a secret there are no pages
        return ""
