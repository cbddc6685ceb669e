"""The second law: one word, one meaning. A foreign word stays in the file that translates it.

Only names are judged that this package gives: functions, classes, arguments, variables, attributes. What
others named (`environ["gunicorn.socket"]`, `match.group()`) may be used anywhere.
"""

import ast
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "flask_cable"

NOWHERE: tuple[str, ...] = ()
FLASK_EDGE = (
    *(
        "__init__.py",
        "admission.py",
        "cli.py",
        "extension.py",
        "health.py",
        "handshake.py",
        "origin.py",
        "pytest_plugin.py",
        "runtime.py",
    ),
    *("late.py", "lifespan.py", "sockets.py", "templating.py", "testing/*", "upgrade.py"),
    "routes/*",
    *("calls.py", "marking.py", "pages.py"),
)
SOCKET_IO = (
    *("endpoints/socketio/*", "*/socketio.py", "protocols/engineio.py", "transports/polling.py"),
    *("transports/upgrading.py",),
)
FLASKS_SESSION = (*FLASK_EDGE, "core/connection.py", "errors.py")
PAGE_SOCKETS = ("calls.py", "endpoints/push/*", "pages.py", "protocols/push.py", "routes/push.py")

# A word of other systems: our word for it, and the files that may say it.
FOREIGN: dict[str, tuple[str, tuple[str, ...]]] = {
    # connection: one live peer, as the application sees it
    "consumer": ("connection or handler", NOWHERE),
    "client": (
        "connection or peer",
        ("testing/*", "pytest_plugin.py", "pubsub/*", "endpoints/behaviour.py"),
    ),
    "socket": (
        "connection or transport",
        ("transports/*", "executors.py", "pubsub/*", "sockets.py", "upgrade.py", *SOCKET_IO, *PAGE_SOCKETS),
    ),
    "session": ("connection", (*FLASKS_SESSION, "broadcasting/commits.py", *PAGE_SOCKETS, *SOCKET_IO)),
    "sid": ("connection id", SOCKET_IO),
    # transport: what moves its bytes
    "driver": ("transport", NOWHERE),
    "async mode": ("transport or executor", NOWHERE),
    # handler: what a connection calls
    "view": ("handler", FLASK_EDGE),
    # stream: a named pub/sub address
    "topic": ("stream", ("pubsub/*",)),
    "room": ("stream", SOCKET_IO),
    "group": (
        "stream, or names.Group",
        (
            "core/names.py",
            "core/group.py",
            "endpoints/behaviour.py",
            "runtime.py",
            "extension.py",
            "publisher.py",
            "cli.py",
        ),
    ),
    "broadcasting": ("stream", ("streams.py", "signals.py", "endpoints/channels/*", "broadcasting/*")),
    # hub: this process's stream -> subscribers
    "manager": ("hub or adapter", NOWHERE),
    "channel layer": ("hub", NOWHERE),
    # adapter: an implementation of a port
    "backend": ("adapter", ("signals.py",)),
    # publish, broadcast, transmit, send: to the adapter, a stream everywhere, one subscription, one peer
    "emit": ("broadcast, transmit or send", SOCKET_IO),
    "push": (
        "broadcast, transmit or send",
        (*PAGE_SOCKETS, "extension.py", "publisher.py", "testing/page.py"),
    ),
}

# Our own word, and the files where it would mean something else.
OUT_OF_PLACE: dict[str, tuple[str, tuple[str, ...]]] = {
    # an Action Cable class; never a pub/sub name
    "channel": (
        "stream",
        ("core/hub.py", "executors.py", "transports/*", "pubsub/*"),
    ),
}

WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
IDIOMS = ("make room",)
ONE_WORD = {"WebSocket": "Websocket", "SocketIO": "Socketio", "PubSub": "Pubsub"}


def names(source: str) -> Iterator[tuple[str, int]]:
    """Yield each name that the source gives, and its line."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.name, node.lineno
            case ast.arg():
                yield node.arg, node.lineno
            case ast.Name(ctx=ast.Store()):
                yield node.id, node.lineno
            case ast.Attribute(ctx=ast.Store()):
                yield node.attr, node.lineno
            case ast.ExceptHandler(name=str()) | ast.MatchAs(name=str()) | ast.MatchStar(name=str()):
                yield str(node.name), node.lineno


def words(name: str) -> str:
    """Split a name: ` channel layer ` for `ChannelLayers`, `_channel_layer` and `CHANNEL_LAYER`."""
    for whole, one in ONE_WORD.items():
        name = name.replace(whole, one)
    plain = f" {' '.join(singular(word.lower()) for word in WORD.findall(name))} "
    for idiom in IDIOMS:
        plain = plain.replace(f" {idiom} ", " ")
    return plain


def singular(word: str) -> str:
    """Drop the ending of a plural or of a verb's third person."""
    if word.endswith(("shes", "ches", "sses")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word


def offences(path: str, source: str) -> list[str]:
    """List the names in a file that the glossary forbids there, as `core/hub.py:7 room: say stream`."""
    forbidden = {word: ours for word, (ours, files) in FOREIGN.items() if not among(path, files)}
    forbidden |= {word: ours for word, (ours, files) in OUT_OF_PLACE.items() if among(path, files)}
    return [
        f"{path}:{line} {name}: say {ours}"
        for name, line in sorted(set(names(source)), key=lambda found: found[1])
        for word, ours in forbidden.items()
        if f" {word} " in words(name)
    ]


def among(path: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(path, pattern) for pattern in patterns)


def test_names_say_what_the_glossary_says() -> None:
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        found += offences(path.relative_to(PACKAGE).as_posix(), path.read_text("utf-8"))
    assert not found, "\n".join(found)


def test_files_are_named_by_our_words() -> None:
    paths = [path.relative_to(PACKAGE).as_posix() for path in sorted(PACKAGE.rglob("*.py"))]
    found = [line for path in paths for line in offences(path, f"{Path(path).stem} = 1")]
    assert not found, "\n".join(found)


# The law itself can fail.


def test_a_foreign_word_is_found_in_every_kind_of_name() -> None:
    for source in (
        "class Room: ...",
        "def join_room(): ...",
        "def join(room): ...",
        "def join(*rooms): ...",
        "lambda room: 1",
        "rooms = {}",
        "room: str",
        "self.room = 1",
        "for room in x: ...",
        "with x as room: ...",
        "ROOM_SIZE = 3",
        "theRoom = 3",
        "[0 for room in x]",
        "(room := 3)",
    ):
        assert len(offences("core/hub.py", source)) == 1, source
    assert offences("core/hub.py", "a = 1\nroom = 2") == ["core/hub.py:2 room: say stream"]


def test_what_others_named_may_be_used() -> None:
    for source in (
        "match.group(1)",
        "app.session",
        "environ['socket']",
        "import socket",
        "bathroom = 1",
        "make_room = 1",
    ):
        assert offences("core/hub.py", source) == [], source


def test_a_word_of_two_is_found_in_any_spelling() -> None:
    for name in ("async_mode", "AsyncMode", "ASYNC_MODE", "_async_modes"):
        assert offences("executors.py", f"{name} = 1"), name
    assert offences("executors.py", "mode = is_async = 1") == []


def test_the_translating_file_may_say_it() -> None:
    assert offences("endpoints/socketio.py", "def emit(room, sid): ...") == []
    assert offences("endpoints/push/handler.py", "def push(socket): ...") == []
    assert offences("endpoints/events.py", "def push(socket): ...") != []
    assert offences("transports/native.py", "socket = 1\nclass WebSocketReader: ...") == []
    assert offences("protocols/actioncable.py", "class WebSocketThing: ...") == []


def test_our_own_word_may_be_out_of_place() -> None:
    assert offences("endpoints/channels/channel.py", "class Channel: ...") == []
    assert offences("pubsub/memory.py", "def publish(channel): ...") == [
        "pubsub/memory.py:1 channel: say stream"
    ]
