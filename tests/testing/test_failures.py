"""What failures say."""

import pytest

from flask_cable.testing import HandshakeRefused
from flask_cable.testing.failures import listed, told


def test_a_refused_handshake_tells_its_answer(client):
    with pytest.raises(HandshakeRefused) as refused:
        client.connect("/nowhere")
    assert refused.value.status == 404
    assert not refused.value.rejected
    assert told(refused.value).startswith("the handshake was answered with 404 NOT FOUND: ")


def test_what_became_of_a_connection(client, connection):
    assert told(connection) == "the connection was accepted"
    connection.close(1001, "bye")
    assert told(connection) == "the connection was closed with (1001, 'bye')"
    other = client.connect()
    other.connection.disconnect("remote")
    assert told(other).endswith("(1000, ''): " + str(other.disconnect_message))
    client.http.post("/login/banned")
    assert told(client.connect()) == "the connection was refused by `connect`"


def test_a_list_has_a_line_for_each():
    assert listed(["a", 1]) == "\n  'a'\n  1"
    assert listed([]) == "none"
