"""Settings of every test: what `needs` means, and where `example_app` is.

The checkout comes last on the path, so that an installed wheel is what is tested where there is one.
"""

import sys
from pathlib import Path

import pytest
from support.parts import require_marked, required

sys.path.append(str(Path(__file__).parents[1]))


def pytest_configure() -> None:
    """Refuse a CABLE_TEST_REQUIRE that names nothing before any test has run."""
    required()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Obey `@pytest.mark.needs(...)`."""
    require_marked(item)
