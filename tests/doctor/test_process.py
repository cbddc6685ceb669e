"""The process: whether gevent has patched it, and how many files it may open."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest
from doctor.conftest import patching

from flask_cable.doctor.process import is_patched, open_files


def test_the_limit_of_open_files_is_the_soft_one(monkeypatch: pytest.MonkeyPatch) -> None:
    resource = ModuleType("resource")
    vars(resource).update(RLIMIT_NOFILE=7, RLIM_INFINITY=-1, getrlimit=lambda which: (256, 4096))
    monkeypatch.setitem(sys.modules, "resource", resource)
    assert open_files() == 256
    vars(resource).update(getrlimit=lambda which: (-1, -1))
    assert open_files() is None
    monkeypatch.setitem(sys.modules, "resource", None)
    assert open_files() is None


def test_patching_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    patching(monkeypatch, True)
    assert is_patched()
    patching(monkeypatch, False)
    assert not is_patched()
    monkeypatch.delitem(sys.modules, "gevent.monkey")
    assert not is_patched()
