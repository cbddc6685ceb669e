"""cable.js: its unit tests run by Node.js, its types checked by TypeScript, its size by hand."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from support.parts import NODE_MODULES

HERE = Path(__file__).resolve().parent
CABLE = HERE.parents[1] / "flask_cable" / "static" / "cable.js"
DEADLINE = 60.0
LIMIT = 12_000  # bytes, as it is served: nothing minifies it


def run(*command: str | Path) -> None:
    """Run a command; if it fails, fail the test with what it said."""
    done = subprocess.run(
        command, cwd=HERE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=DEADLINE, text=True
    )
    if done.returncode:
        pytest.fail(done.stdout, pytrace=False)


@pytest.mark.needs("node")
@pytest.mark.parametrize("name", sorted(path.name for path in HERE.glob("*.test.mjs")))
def test_units(name: str) -> None:
    run("node", "--test", name)


@pytest.mark.needs("node", "typescript")
def test_types() -> None:
    run("node", NODE_MODULES / "typescript" / "bin" / "tsc", "-p", HERE / "tsconfig.json")


def test_it_is_small() -> None:
    assert len(CABLE.read_bytes()) <= LIMIT


def test_it_stands_alone() -> None:
    text = CABLE.read_text("utf-8")
    assert text.isascii()
    assert "import " not in text
    assert "eval(" not in text
    assert "Function(" not in text
