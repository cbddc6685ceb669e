"""The third law: `flask_cable/core/hub.py` is tested by `tests/core/test_hub.py`, and the other way round."""

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[1]

# Tests that mirror no single file: the laws, the example, and the folders where everything runs together.
ALONE = {"test_layers.py", "test_words.py", "test_mirror.py", "test_example_app.py"}
TOGETHER = {"conformance", "javascript", "servers"}

# The tests' own helpers are tested too: tests/support/x.py by tests/test_x.py.
HELPERS = "support"


def files(folder: Path, pattern: str) -> set[str]:
    """Return the files below a folder, as `core/hub.py`."""
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob(pattern)
        if "node_modules" not in path.parts
    }


def mirror(source: str) -> str:
    """Return where the tests of `core/hub.py` are."""
    path = PurePosixPath(source)
    return str(path.with_name(f"test_{path.name}"))


def untested(sources: Iterable[str], tests: set[str]) -> list[str]:
    """List the sources without a test file. What an `__init__.py` says, its package's tests cover."""
    return sorted(s for s in sources if not s.endswith("__init__.py") and mirror(s) not in tests)


def strays(sources: Iterable[str], tests: Iterable[str], helpers: Iterable[str]) -> list[str]:
    """List the test files that mirror nothing. A package `core` may have `core/test_init.py`."""
    mirrored = {mirror(source) for source in (*sources, *helpers)}
    mirrored |= {test.replace("test___init__", "test_init") for test in mirrored}
    return sorted(t for t in tests if t not in mirrored | ALONE and PurePosixPath(t).parts[0] not in TOGETHER)


def test_every_file_has_its_tests() -> None:
    sources = files(ROOT / "flask_cable", "*.py")
    missing = untested(sources, files(ROOT / "tests", "test_*.py"))
    assert not missing, "no tests for:\n" + "\n".join(missing)


def test_every_test_file_has_its_source() -> None:
    sources = files(ROOT / "flask_cable", "*.py")
    helpers = files(ROOT / "tests" / HELPERS, "*.py")
    found = strays(sources, files(ROOT / "tests", "test_*.py"), helpers)
    assert not found, "these mirror no file:\n" + "\n".join(found)


# The law itself can fail.


def test_a_missing_test_file_is_found() -> None:
    sources = {"__init__.py", "errors.py", "core/__init__.py", "core/hub.py", "endpoints/channels/streams.py"}
    tests = {"test_errors.py", "core/test_hub.py", "endpoints/channels/test_streams.py"}
    assert untested(sources, tests) == []
    for test in tests:
        assert [mirror(s) for s in untested(sources, tests - {test})] == [test]
    assert untested({"core/hub.py"}, {"test_hub.py", "pubsub/test_hub.py"}) == ["core/hub.py"]


def test_a_stray_test_file_is_found() -> None:
    sources = {"__init__.py", "core/__init__.py", "core/hub.py"}
    kept = {"core/test_hub.py", "core/test_init.py", "test_init.py", "test_parts.py", "test_layers.py"}
    assert (
        strays(sources, kept | {"servers/test_gunicorn.py", "conformance/test_node.py"}, {"parts.py"}) == []
    )
    for stray in ("test_hub.py", "core/test_gone.py", "core/test_layers.py", "pubsub/test_init.py"):
        assert strays(sources, kept | {stray}, {"parts.py"}) == [stray]
