"""Nodes of a cluster that share a pub/sub adapter, a store and time."""

import pytest
from core.test_names import Cluster, Node


@pytest.fixture
def node() -> Node:
    return Node(Cluster())


@pytest.fixture
def pair() -> tuple[Node, Node]:
    cluster = Cluster()
    return Node(cluster, "a"), Node(cluster, "b")
