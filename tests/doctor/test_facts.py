"""Looking once: what is seen of the process, and of settings that cannot be read."""

from __future__ import annotations

import pytest
from doctor.conftest import application

from flask_cable.doctor import UnusableSettings, observe
from flask_cable.doctor import facts as looking


def test_the_process_is_looked_at() -> None:
    seen = observe(application())
    assert seen.imported.index("flask") < seen.imported.index("flask_cable.doctor")
    assert "gunicorn" not in seen.installed or "packaging" in seen.installed
    assert (seen.gunicorn, seen.trouble, seen.patched) == (None, "", False)


def test_what_cannot_be_read_is_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(command: str) -> None:
        raise UnusableSettings("because")

    monkeypatch.setattr(looking, "read_gunicorn", refuse)
    assert observe(application()).trouble == "because"
