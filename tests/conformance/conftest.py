"""The server that real clients talk to: gunicorn with gevent, one worker, quick pings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait

import pytest
from conformance import browser as chromium
from conformance.browser import Browser, Page
from conformance.nodejs import play
from support.servers import Server

AT_ONCE = 3


@pytest.fixture(scope="package")
def server() -> Iterator[Server]:
    """The conformance application; pings come each 0.2 s, so that a little silence is soon proved."""
    with Server("gunicorn-gevent", env={"FLASK_CABLE_PING_INTERVAL": "0.2"}) as running:
        yield running


@pytest.fixture(scope="module")
def calm_plays(request: pytest.FixtureRequest, server: Server) -> Iterator[dict[str, Future[None]]]:
    """The module's calm scenarios that were asked for; a few at once are played ahead of their tests."""
    tests = [item for item in request.session.items if item.path == request.path]
    specs = [getattr(test, "callspec", None) for test in tests]
    wanted = [spec.params["calm"] for spec in specs if spec and "calm" in spec.params]
    pool = ThreadPoolExecutor(AT_ONCE)
    yield {name: pool.submit(play, request.module.SCRIPT, name, server) for name in wanted}
    pool.shutdown(cancel_futures=True)


@pytest.fixture
def play_alone(
    request: pytest.FixtureRequest, calm_plays: dict[str, Future[None]], server: Server
) -> Callable[[str], None]:
    """Plays a scenario when no other is being played."""
    wait(calm_plays.values())
    return lambda scenario: play(request.module.SCRIPT, scenario, server)


@pytest.fixture
def unhurried_server() -> Iterator[Server]:
    """The same with the library's defaults."""
    with Server("gunicorn-gevent") as running:
        yield running


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium.browser(tmp_path_factory.mktemp("screenshots")) as running:
        yield running


@pytest.fixture
def opened() -> Iterator[list[Page]]:
    """The pages that a test has opened; afterwards they are closed, and no script may have failed."""
    opened: list[Page] = []
    yield opened
    errors = [page.errors() for page in opened]
    for page in opened:
        page.close()
    assert errors == [[]] * len(opened)
