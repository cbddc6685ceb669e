"""Fixtures for pytest, which finds this module by its entry point in every project.

Nothing is imported before a test asks for a fixture: neither Flask nor gevent.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .testing import CableClient


@pytest.fixture
def cable_client(request: pytest.FixtureRequest, app: Any) -> Iterator[CableClient]:
    """A ``CableClient`` of your ``app`` fixture, with a cable of its own for each test.

    It shares cookies with your ``client`` fixture where that is the application's test client.
    """
    from .testing import CableClient

    with CableClient(app, client=_test_client(request, app)) as client:
        yield client


def _test_client(request: pytest.FixtureRequest, app: Any) -> Any:
    try:
        client = request.getfixturevalue("client")
    except pytest.FixtureLookupError:
        return None
    return client if getattr(client, "application", None) is app else None
