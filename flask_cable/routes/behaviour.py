"""Behaviours' routes: ``connect`` decides inside the request who is let in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Request, current_app, g
from flask.typing import ResponseReturnValue

from ..core.connection import Connection
from ..endpoints.behaviour import Behaviour, BehaviourHandler
from ..protocols.opening import Refusal
from .base import TOO_MANY, Route, checked_timeout

if TYPE_CHECKING:
    from ..runtime import Runtime


class BehaviourRoute(Route):
    """One behaviour at a URL rule.

    Args:
        idle_timeout: seconds without a frame or a ping of the peer's; None never ends for that.
    """

    def __init__(
        self,
        rule: str,
        endpoint: str,
        behaviour_class: type[Behaviour],
        idle_timeout: float | None,
        **options: Any,
    ) -> None:
        super().__init__(rule, endpoint, **options)
        self.behaviour_class = behaviour_class
        self.idle_timeout = checked_timeout(idle_timeout)

    def make_handler(self, runtime: Runtime) -> BehaviourHandler:
        watches = runtime.watches(self.idle_timeout)
        return BehaviourHandler(self.behaviour_class(), self.rule, watches=watches, **runtime.resources())

    def admit(self, connection: Connection, request: Request) -> ResponseReturnValue | None:
        """Let in whom the connection class and ``connect`` let in."""
        response = super().admit(connection, request)
        if response is None:
            g.cable_connection = connection
            behaviour = self._behaviour(connection.handler)
            response = behaviour.connect(request, **(request.view_args or {}))
        return response

    @staticmethod
    def _behaviour(handler: Any) -> Behaviour:
        behaviour: Behaviour = handler.behaviour
        return behaviour

    def refused(self, refusal: Refusal, request: Request) -> ResponseReturnValue:
        if refusal is TOO_MANY:
            handler = current_app.extensions["cable"].runtime().mount(self).handler
            response = self._behaviour(handler).too_many_connections(request)
            if response is not None:
                return _unavailable(response)
        return super().refused(refusal, request)


def _unavailable(value: ResponseReturnValue) -> ResponseReturnValue:
    """A response of status 503, unless it has another one than 200."""
    response = current_app.make_response(value)
    if response.status_code == 200:
        response.status_code = 503
    if response.status_code == 503:
        response.headers.setdefault("Retry-After", "5")
    return response
