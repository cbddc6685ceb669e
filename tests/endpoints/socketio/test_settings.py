"""What ``cable.socketio()`` may be told, and what it may not."""

from typing import Any

import pytest

from flask_cable.endpoints.socketio import Settings
from flask_cable.errors import ConfigError


def test_defaults_are_the_stock_servers() -> None:
    settings = Settings.checked({})
    assert (settings.ping_interval, settings.ping_timeout) == (25, 20)
    assert (settings.max_payload, settings.connect_timeout, settings.upgrade_timeout) == (1_000_000, 45, 10)
    assert settings.transports == ("polling", "websocket")
    assert settings.recovery_seconds is None


def test_what_is_right_is_taken() -> None:
    given: dict[str, Any] = {
        "ping_interval": 0.3,
        "ping_timeout": 1,
        "max_payload": 5,
        "transports": ["websocket"],
        "recovery_seconds": 120,
        "recovery_packets": 10,
        "max_rooms": 1,
    }
    settings = Settings.checked(given)
    assert settings.transports == ("websocket",)
    assert (settings.ping_interval, settings.max_payload, settings.max_rooms) == (0.3, 5, 1)
    assert Settings.checked({"recovery_seconds": None}).recovery_seconds is None


def test_what_is_wrong_is_named() -> None:
    for name, value in (
        *[("ping_interval", value) for value in (0, -1, "25", None, True)],
        *[("max_payload", value) for value in (0, 1.5, "1", None, True)],
        *[("transports", value) for value in ([], ["flash"], "polling", None)],
        *[("recovery_seconds", value) for value in (0, "x", True)],
        ("max_acks", 0),
    ):
        with pytest.raises(ConfigError, match=name):
            Settings.checked({name: value})


def test_an_unknown_setting_is_an_error_that_lists_all() -> None:
    with pytest.raises(ConfigError, match=r"cors_allowed_origins is no setting.*ping_interval"):
        Settings.checked({"cors_allowed_origins": "*"})
