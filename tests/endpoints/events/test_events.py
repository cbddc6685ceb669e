"""Who handles what: a mistake in registering is told at once."""

import pytest

from flask_cable.endpoints.events import EVENTS, Events
from flask_cable.errors import ConfigError


def call_with(*names):
    return eval(f"lambda {', '.join(names)}: None")


@pytest.mark.parametrize("event", EVENTS)
def test_each_event_has_a_handler_and_the_last_one_counts(event):
    events = Events()
    assert events.get(event) is None
    for _ in range(2):
        handler = call_with(*EVENTS[event])
        events.add(event, handler)
    assert events.get(event) is handler


def test_an_event_that_does_not_exist_is_an_error_that_tells_which_do():
    with pytest.raises(
        ConfigError,
        match="no event 'opened', but open, message, malformed_message, server_message, close, error",
    ):
        Events().add("opened", call_with("connection"))


@pytest.mark.parametrize("handler", [None, "open", 7, {}])
def test_what_cannot_be_called_is_an_error(handler):
    with pytest.raises(
        ConfigError, match=f"handler of 'open' is a {type(handler).__name__}, which is not callable"
    ):
        Events().add("open", handler)


@pytest.mark.parametrize("event", EVENTS)
def test_so_is_what_cannot_be_called_with_what_the_event_says(event):
    wanted = rf"handler of '{event}' is called with \({', '.join(EVENTS[event])}\), and takes \(\)"
    with pytest.raises(ConfigError, match=wanted):
        Events().add(event, lambda: None)
    with pytest.raises(ConfigError, match="is called with"):
        Events().add(event, call_with("a", "b", "c", "d"))


def test_so_is_what_nobody_would_await():
    async def handler(connection, message):
        """Would never run."""

    async def generator(connection, message):
        yield

    for one in (handler, generator):
        with pytest.raises(ConfigError, match="handler of 'message' is `async`, and nobody awaits it"):
            Events().add("message", one)
        with pytest.raises(ConfigError, match="a function that serves connections is `async`"):
            Events().serve_with(one)


def test_any_callable_that_fits_will_do():
    class Handler:
        def __call__(self, connection, environ=None, *more):
            """Fits."""

        def opened(self, connection, environ):
            """Fits."""

    for handler in (Handler(), Handler().opened, print, call_with("*args"), dict.fromkeys):
        Events().add("open", handler)


def test_a_function_may_serve_instead_and_then_takes_the_messages_itself():
    events = Events()
    events.add("open", call_with("connection", "environ"))
    events.serve_with(call_with("connection"))
    events.add("close", call_with("connection", "code", "reason"))
    with pytest.raises(ConfigError, match="receives its messages itself"):
        events.add("message", call_with("connection", "message"))
    other = Events()
    other.add("message", call_with("connection", "message"))
    with pytest.raises(ConfigError, match="receives its messages itself"):
        other.serve_with(call_with("connection"))


def test_one_function_serves():
    events = Events()
    with pytest.raises(ConfigError, match="a str cannot serve a connection"):
        events.serve_with("echo")
    events.serve_with(call_with("connection"))
    with pytest.raises(ConfigError, match="serves this endpoint already"):
        events.serve_with(call_with("connection"))
