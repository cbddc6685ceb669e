"""JSON text and values, as the application's own JSON provider has it.

The edge builds one ``Json`` per application. Where the provider is Flask's default one and orjson is
installed, orjson does the work and every value that it would write differently goes the slow way.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from enum import Enum
from typing import Any

from ..errors import EncodeError

try:
    import orjson
except ImportError:  # an extra: flask-cable[fast]
    orjson = None  # type: ignore[assignment]

Default = Callable[[Any], Any]


def _dumps(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


class Json:
    """Encode values to UTF-8 JSON and decode JSON text.

    Args:
        dumps: the application's encoder; it decides.
        loads: the application's decoder.
        default: what ``dumps`` calls for values that JSON has no form for. Given only where orjson may
            stand in for ``dumps``.
        sort_keys: whether ``dumps`` sorts keys.
    """

    def __init__(
        self,
        dumps: Callable[[Any], str] = _dumps,
        loads: Callable[[str], Any] = json.loads,
        default: Default | None = None,
        sort_keys: bool = False,
    ) -> None:
        self._dumps = dumps
        self._loads = loads
        self.decode: Callable[[str], Any] = self._decode
        if loads is json.loads:
            self.decode = self._fast_decoder()
        self.encode: Callable[[Any], bytes] = self._encode_slowly
        if orjson is not None and default is not None:
            self.encode = self._fast_encoder(default, sort_keys)

    def _decode(self, text: str) -> Any:
        """Decode JSON text. Raises ``ValueError`` for anything else, also when nested too deep."""
        try:
            return self._loads(text)
        except RecursionError as error:
            raise ValueError("nested too deep") from error

    def _fast_decoder(self) -> Callable[[str], Any]:
        """``json.loads`` without its preliminaries, which take longer than a small message itself."""
        scan = json.JSONDecoder().scan_once  # type: ignore[attr-defined]
        slowly = self._decode

        def decode(text: str) -> Any:
            """Decode JSON text. Raises ``ValueError`` for anything else, also when nested too deep."""
            try:
                value, end = scan(text, 0)
            except (StopIteration, RecursionError):  # blank before it, or none at all
                return slowly(text)
            return value if end == len(text) else slowly(text)

        return decode

    def _encode_slowly(self, value: Any) -> bytes:
        """Encode with the application's provider. Raises ``EncodeError``, which names the type."""
        try:
            return self._dumps(value).encode()
        except (TypeError, ValueError, RecursionError) as error:
            raise EncodeError(f"a {type(value).__name__} cannot be sent as JSON: {error}") from error

    def _fast_encoder(self, default: Default, sort_keys: bool) -> Callable[[Any], bytes]:
        dumps, slowly = orjson.dumps, self._encode_slowly
        option = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS
        if sort_keys:
            option |= orjson.OPT_SORT_KEYS

        def encode(value: Any) -> bytes:
            """Encode with orjson; what it refuses, or would write as null, goes the slow way."""
            try:
                encoded = dumps(value, default, option)
            except TypeError:
                return slowly(value)
            if b"null" in encoded:  # None, or a NaN that orjson hid and the provider refuses
                return slowly(value)
            return encoded

        return encode


def enum_aware(default: Default) -> Default:
    """Extend a provider's ``default`` so that an Enum is its value, as orjson has it."""

    def encode_default(value: Any) -> Any:
        return value.value if isinstance(value, Enum) else default(value)

    return encode_default
