"""Every CABLE_* key: its default holds, and what makes it wrong is said at start-up."""

import re
from typing import Any

import pytest

from flask_cable.config import BOOL, COUNT, KEYS, SECONDS, SECRETS, Config
from flask_cable.errors import ConfigError

PATTERN = re.compile(r"https://.*\.example\.com")

# Good values and bad ones, by what a key has to be; keys of another form follow.
BY_FORM: dict[str, tuple[list[Any], list[Any]]] = {
    SECONDS: ([0.1, 1, 60.0], [0, -1, True, "3", float("nan"), None]),
    f"{SECONDS}, or None": ([None, 1, 0.5], [0, -1, True, "3", float("nan")]),
    COUNT: ([1, 10**9], [0, -1, 1.5, True, "3", None]),
    SECRETS: ([None, "s", b"s", ["new", b"old"], ("s",)], ["", b"", [], ["s", ""], 7, [None], {"s"}]),
    BOOL: ([True, False], [None, 1, 0, "yes"]),
}
BY_NAME: dict[str, tuple[list[Any], list[Any]]] = {
    "CABLE_MOUNT_PATH": (["/", "/cable", "/a/b"], ["cable", "", "/<path>", None, 7]),
    "CABLE_URL": ([None, "memory://", "redis://localhost/0"], ["redis", 7, ""]),
    "CABLE_PREFIX": (["cable:", "", "a b"], [None, 7, b"x"]),
    "CABLE_BUS_SECRET": ([None, "secret", b"secret", ["new", b"old"]], ["", 7, [None], [""], {"a"}]),
    "CABLE_BUS_BUFFER": ([0, 1, 10**6], [-1, 1.5, True, False, None]),
    "CABLE_SOCKET_BUFFER": ([0, 1, 10**6], [-1, 1.5, True, False, None]),
    "CABLE_SOCKET_RESUME_SECONDS": ([0, 0.5, 86400], [-1, True, False, "3", float("nan"), None]),
    "CABLE_CALL_ROUTES": ([(), ["/*"], ("/a", "/b/*")], ["/*", ["a"], [""], [7], None, {"/*"}]),
    "CABLE_GAP": (["disconnect", "ignore"], ["", None, "forget"]),
    "CABLE_HEALTH_PATH": ([None, "health", "/up", "a/b"], ["", "<x>", 7]),
    "CABLE_ALLOWED_ORIGINS": (
        [(), "*", "https://example.com", PATTERN, ["http://localhost:3000", PATTERN], {"*"}],
        ["example.com", None, ["https://example.com", "example.com"], [None], 7],
    ),
    "CABLE_EXECUTOR": (["auto", "gevent", "threads", "manual"], ["asyncio", "", None]),
}


def values_of(name: str) -> tuple[list[Any], list[Any]]:
    """Return the good and the bad values of a key; a KeyError says that it needs a row here."""
    return BY_NAME[name] if name in BY_NAME else BY_FORM[KEYS[name].form]


@pytest.mark.parametrize("name", KEYS)
def test_a_key_is_documented_and_its_default_is_valid(name: str) -> None:
    key = KEYS[name]
    assert key.check(key.default)
    assert key.form
    assert key.meaning


@pytest.mark.parametrize("name", KEYS)
def test_a_good_value_is_an_attribute(name: str) -> None:
    for value in values_of(name)[0]:
        assert getattr(Config({name: value}), name.removeprefix("CABLE_").lower()) is value


@pytest.mark.parametrize("name", KEYS)
def test_a_bad_value_is_named_together_with_what_it_has_to_be(name: str) -> None:
    for value in values_of(name)[1]:
        with pytest.raises(ConfigError) as caught:
            Config({name: value})
        shown = name if KEYS[name].is_secret else f"{name}={value!r}"
        assert str(caught.value) == f"{shown}: it has to be {KEYS[name].form}"


def test_a_wrong_secret_is_not_shown() -> None:
    with pytest.raises(ConfigError) as caught:
        Config({"CABLE_SECRET": ["swordfish", 7]})
    assert "swordfish" not in str(caught.value)


def test_what_is_not_set_has_its_default() -> None:
    config = Config({})
    assert config.mount_path == "/cable"
    assert config.max_connections == 10_000
    assert config.url is None


def test_an_unknown_key_is_a_typing_mistake() -> None:
    with pytest.raises(
        ConfigError, match="CABLE_MOUNTPATH is no setting of Flask-Cable; there are CABLE_MOUNT"
    ):
        Config({"CABLE_MOUNTPATH": "/cable"})


def test_other_peoples_keys_are_no_matter() -> None:
    Config({"SECRET_KEY": "x", "CABLES": 3, "MY_CABLE_URL": 7})


def test_a_setting_that_does_not_exist_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="no setting CABLE_NOTHING"):
        _ = Config({}).nothing
