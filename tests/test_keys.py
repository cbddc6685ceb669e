"""Where the keys come from, and which one signs."""

from __future__ import annotations

from typing import Any

import pytest

from flask_cable.errors import ConfigError
from flask_cable.keys import page_key, stream_verifier
from flask_cable.protocols.signing import MessageVerifier, derive_key


def signed_with(key: bytes) -> str:
    return MessageVerifier([key]).sign("x")


@pytest.mark.parametrize(
    ("config", "key"),
    [
        ({"SECRET_KEY": "s"}, derive_key("s")),
        ({"SECRET_KEY": b"s"}, derive_key("s")),
        ({"SECRET_KEY": "s", "CABLE_SECRET": None, "CABLE_SIGNED_STREAM_KEY": None}, derive_key("s")),
        ({"SECRET_KEY": "s", "CABLE_SECRET": "c"}, derive_key("c")),
        ({"CABLE_SECRET": "c"}, derive_key("c")),
        ({"CABLE_SECRET": b"c"}, b"c"),
        ({"CABLE_SECRET": "c", "CABLE_SIGNED_STREAM_KEY": "raw"}, b"raw"),
        ({"CABLE_SIGNED_STREAM_KEY": b"raw"}, b"raw"),
    ],
)
def test_one_setting_decides(config: dict[str, Any], key: bytes) -> None:
    verifier = stream_verifier(config)
    assert verifier.sign("x") == signed_with(key)
    assert verifier.verified(signed_with(b"another")) is None


@pytest.mark.parametrize(
    ("config", "first", "second"),
    [
        ({"CABLE_SECRET": ["new", "old"]}, derive_key("new"), derive_key("old")),
        ({"CABLE_SECRET": ("new", b"old")}, derive_key("new"), b"old"),
        ({"CABLE_SIGNED_STREAM_KEY": ["new", b"old"]}, b"new", b"old"),
        ({"SECRET_KEY": "new", "SECRET_KEY_FALLBACKS": ["old"]}, derive_key("new"), derive_key("old")),
    ],
)
def test_of_several_the_first_signs_and_all_verify(
    config: dict[str, Any], first: bytes, second: bytes
) -> None:
    verifier = stream_verifier(config)
    assert verifier.sign("x") == signed_with(first)
    assert verifier.verified(signed_with(first)) == verifier.verified(signed_with(second)) == "x"


def test_a_secret_of_ones_own_leaves_the_applications_out() -> None:
    verifier = stream_verifier({"CABLE_SECRET": "c", "SECRET_KEY": "s", "SECRET_KEY_FALLBACKS": ["t"]})
    assert verifier.verified(signed_with(derive_key("s"))) is None
    assert verifier.verified(signed_with(derive_key("t"))) is None


@pytest.mark.parametrize(
    "config",
    [{}, {"SECRET_KEY": None}, {"SECRET_KEY": ""}, {"SECRET_KEY": None, "SECRET_KEY_FALLBACKS": ["t"]}],
)
def test_without_any_it_is_said_what_to_set(config: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="set SECRET_KEY or CABLE_SECRET"):
        stream_verifier(config)


@pytest.mark.parametrize(
    ("config", "secret"),
    [
        ({"SECRET_KEY": "s"}, "s"),
        ({"SECRET_KEY": b"s", "SECRET_KEY_FALLBACKS": ["old"]}, "s"),
        ({"SECRET_KEY": "s", "CABLE_SECRET": ["c", "old"]}, "c"),
        ({"CABLE_SECRET": b"c"}, "c"),
        ({"SECRET_KEY": "s", "CABLE_SIGNED_STREAM_KEY": "raw"}, "s"),
    ],
)
def test_pages_are_told_apart_by_a_key_of_their_own(config: dict[str, Any], secret: str) -> None:
    assert page_key(config) == derive_key(secret, "flask_cable/pages") != derive_key(secret)


def test_pages_need_a_secret() -> None:
    with pytest.raises(ConfigError, match="SECRET_KEY or CABLE_SECRET"):
        page_key({"SECRET_KEY": None})
