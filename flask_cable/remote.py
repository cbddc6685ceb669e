"""``cable.remote_connections``: connections wherever they are, chosen by their identifiers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from .core.registry import Registry

if TYPE_CHECKING:
    from .extension import Cable


class RemoteConnections:
    """Connections of the whole cluster, chosen by their identifiers."""

    def __init__(
        self, cable: Cable, registry: Callable[[], Registry], identifiers: Mapping[str, Any] | None = None
    ) -> None:
        self._cable = cable
        self._registry = registry
        self._identifiers = dict(identifiers or {})

    def where(self, **identifiers: Any) -> RemoteConnections:
        """Those with these identifiers; any of the declared ones will do.

        Raises:
            ValueError: the connection class declares no such identifier.
        """
        declared = tuple(self._cable.connection_class.identified_by)
        for name in identifiers:
            if name not in declared:
                known = ", ".join(declared) or "none"
                raise ValueError(f"{name!r} is no identifier; the connection class has {known}")
        return RemoteConnections(self._cable, self._registry, {**self._identifiers, **identifiers})

    def disconnect(self, reconnect: bool = True) -> None:
        """Tell them that this is the end, in every process. Raises ``ValueError`` without any identifier."""
        self._registry().disconnect(self._identifiers, "remote", reconnect)
