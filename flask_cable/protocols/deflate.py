"""permessage-deflate without context takeover, both ways (RFC 7692), so that peers can share frames.

``websockets`` negotiates and inflates; what it may not do here is remember anything between messages.
"""

from __future__ import annotations

import zlib
from typing import Any

from websockets.exceptions import InvalidHeader, NegotiationError
from websockets.extensions.permessage_deflate import PerMessageDeflate, ServerPerMessageDeflateFactory
from websockets.headers import build_extension, parse_extension
from websockets.typing import ExtensionName

NAME = ExtensionName("permessage-deflate")


def negotiate(offers: str) -> str | None:
    """The response's Sec-WebSocket-Extensions for a request's; None where there is nothing to agree on.

    An offer that wants a smaller window of the server is passed over: its peers could not share frames.
    """
    factory = ServerPerMessageDeflateFactory(server_no_context_takeover=True, client_no_context_takeover=True)
    try:
        parsed = parse_extension(offers)
    except InvalidHeader:
        return None
    for name, params in parsed:
        if name == NAME and "server_max_window_bits" not in dict(params):
            agreed = _agree(factory, params)
            if agreed is not None:
                return build_extension([(NAME, agreed)])
    return None


def _agree(factory: ServerPerMessageDeflateFactory, params: Any) -> Any:
    try:
        return factory.process_request_params(params, [])[0]
    except NegotiationError:
        return None


def inflater() -> PerMessageDeflate:
    """What a parser needs to read a peer's compressed messages; it remembers nothing between them."""
    return PerMessageDeflate(
        remote_no_context_takeover=True,
        local_no_context_takeover=True,
        remote_max_window_bits=zlib.MAX_WBITS,
        local_max_window_bits=zlib.MAX_WBITS,
    )
