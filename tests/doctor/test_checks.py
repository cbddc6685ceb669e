"""All checks together: each has its name and its place, and says one line."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

import pytest
from doctor.conftest import application, facts

from flask_cable import doctor
from flask_cable.doctor import CHECKS, GUNICORN_CHECKS, Gunicorn, diagnose
from flask_cable.doctor import facts as looking


def test_a_sound_deployment_has_nothing_to_fix() -> None:
    for check in (*CHECKS, *GUNICORN_CHECKS):
        finding = check(facts())
        assert finding.level in ("ok", "info"), finding


def test_every_check_is_registered_documented_and_has_a_name_of_its_own() -> None:
    modules = [import_module(f"flask_cable.doctor.{found.name}") for found in iter_modules(doctor.__path__)]
    functions = {one for module in modules for name, one in vars(module).items() if name.startswith("check_")}
    assert functions == {*CHECKS, *GUNICORN_CHECKS}
    assert all(function.__doc__ for function in functions)
    names = [function(facts()).name for function in functions]
    assert len(names) == len(set(names))


def test_gunicorns_settings_are_judged_only_where_there_are_some(monkeypatch: pytest.MonkeyPatch) -> None:
    app = application()
    assert len(diagnose(app)) == len(CHECKS)
    monkeypatch.setattr(looking, "read_gunicorn", lambda command: Gunicorn("gevent"))
    assert len(diagnose(app, "gunicorn -k gevent")) == len(CHECKS) + len(GUNICORN_CHECKS)
