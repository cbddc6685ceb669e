"""An HTTP/2 client for a few plain requests over one TLS connection; needs `h2`, which is imported late."""

from __future__ import annotations

import socket
import ssl

from support.wire import DEADLINE, Answer


def ask_http_2(port: int, *paths: str) -> list[Answer]:
    """GET the paths, each in a stream of its own, and return the answers."""
    trusting = ssl.create_default_context()
    trusting.check_hostname = False
    trusting.verify_mode = ssl.CERT_NONE
    trusting.set_alpn_protocols(["h2"])
    with (
        socket.create_connection(("127.0.0.1", port), DEADLINE) as plain,
        trusting.wrap_socket(plain) as sock,
    ):
        assert sock.selected_alpn_protocol() == "h2"
        return _ask(sock, port, paths)


def _ask(sock: ssl.SSLSocket, port: int, paths: tuple[str, ...]) -> list[Answer]:
    from h2.connection import H2Connection
    from h2.events import DataReceived, ResponseReceived, StreamEnded

    client = H2Connection()
    client.initiate_connection()
    streams = {2 * number + 1: path for number, path in enumerate(paths)}
    for stream, path in streams.items():
        pseudo = {":method": "GET", ":path": path, ":scheme": "https", ":authority": f"127.0.0.1:{port}"}
        client.send_headers(stream, list(pseudo.items()), end_stream=True)
    heads: dict[int, dict[str, str]] = {}
    bodies = dict.fromkeys(streams, b"")
    ended = 0
    while ended < len(streams):
        sock.sendall(client.data_to_send())
        data = sock.recv(2**16)
        assert data, "the server closed"
        for event in client.receive_data(data):
            if isinstance(event, ResponseReceived):
                heads[event.stream_id] = {_text(name): _text(value) for name, value in event.headers}
            elif isinstance(event, DataReceived):
                bodies[event.stream_id] += event.data
                client.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, StreamEnded):
                ended += 1
    return [Answer(int(heads[s][":status"]), heads[s], bodies[s].decode()) for s in streams]


def _text(value: bytes | str) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")
