"""A missing part skips with its cure, and fails where it is required."""

from pathlib import Path

import pytest
from support import parts
from support.parts import Part, require, require_marked, required


@pytest.fixture(autouse=True)
def made_up_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CABLE_TEST_REQUIRE", raising=False)
    monkeypatch.setitem(parts.PARTS, "here", Part(lambda: True, "look closer"))
    monkeypatch.setitem(parts.PARTS, "gone", Part(lambda: False, "look under the sofa"))
    monkeypatch.setitem(parts.PARTS, "lost", Part(lambda: False, "ask the cat"))


def test_what_is_present_is_no_matter() -> None:
    require("here")
    require()


def test_a_missing_part_skips_and_says_how_to_get_it() -> None:
    with pytest.raises(pytest.skip.Exception, match="gone is missing: look under the sofa"):
        require("here", "gone")


def test_every_missing_part_is_named() -> None:
    with pytest.raises(pytest.skip.Exception, match=r"gone is missing: .*; lost is missing: ask the cat"):
        require("gone", "lost")


@pytest.mark.parametrize("setting", ["all", "gone", "here, gone", "gone,all"])
def test_a_required_part_fails(monkeypatch: pytest.MonkeyPatch, setting: str) -> None:
    monkeypatch.setenv("CABLE_TEST_REQUIRE", setting)
    with pytest.raises(pytest.fail.Exception, match="look under the sofa"):
        require("gone")


@pytest.mark.parametrize("setting", ["", ",", "here", "lost"])
def test_other_required_parts_change_nothing(monkeypatch: pytest.MonkeyPatch, setting: str) -> None:
    monkeypatch.setenv("CABLE_TEST_REQUIRE", setting)
    with pytest.raises(pytest.skip.Exception):
        require("gone")


def test_a_setting_that_names_nothing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CABLE_TEST_REQUIRE", "gone,chromum")
    with pytest.raises(pytest.UsageError, match="no part is called chromum"):
        required()


def test_modules_and_programs_are_looked_for() -> None:
    assert parts.module("json").present()
    assert not parts.module("no_such_module").present()
    assert parts.program("sh", "").present()
    assert not parts.program("no-such-program", "").present()


def test_chromium_is_where_the_setting_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CABLE_TEST_CHROMIUM", str(tmp_path / "chromium"))
    assert not parts.PARTS["chromium"].present()
    (tmp_path / "chromium").touch(0o755)
    assert parts.PARTS["chromium"].present()


def test_node_modules_are_there_when_each_package_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(parts, "NODE_MODULES", tmp_path)
    assert not parts.PARTS["node_modules"].present()
    for name in ("@anycable/core", "@rails/actioncable", "@hotwired/turbo-rails", "socket.io-client", "ws"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "package.json").touch()
    assert parts.PARTS["node_modules"].present()


def test_the_marker_requires(request: pytest.FixtureRequest) -> None:
    require_marked(request.node)
    request.node.add_marker(pytest.mark.needs("here"))
    require_marked(request.node)
    request.node.add_marker(pytest.mark.needs("here", "gone"))
    with pytest.raises(pytest.skip.Exception, match="look under the sofa"):
        require_marked(request.node)


@pytest.mark.needs("chromium", "gevent")
def test_the_marker_is_obeyed() -> None:
    assert parts.PARTS["chromium"].present()
    assert parts.PARTS["gevent"].present()
