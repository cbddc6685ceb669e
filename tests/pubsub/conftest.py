"""Servers that the adapters' tests share, one of each kind for all of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.backends import Backend

from flask_cable.pubsub.postgres_connection import PostgresConnection


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Backend]:
    with Backend("redis") as backend:
        yield backend


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Backend]:
    with Backend("postgres") as backend:
        yield backend


@pytest.fixture(scope="session")
def nats_server() -> Iterator[Backend]:
    with Backend("nats") as backend:
        yield backend


@pytest.fixture
def connection(postgres_server: Backend) -> Iterator[PostgresConnection]:
    connection = PostgresConnection(postgres_server.url, 5.0)
    yield connection
    connection.close()
