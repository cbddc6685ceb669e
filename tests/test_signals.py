"""The signals' names are public: others connect to them by name."""

from blinker import NamedSignal

from flask_cable import signals

NAMED = {name: each for name, each in vars(signals).items() if isinstance(each, NamedSignal)}


def test_a_signal_is_named_after_its_attribute() -> None:
    assert {"connected", "disconnected", "subscribed", "broadcasting"} <= set(NAMED)
    for name, signal in NAMED.items():
        assert signal.name == f"cable-{name.replace('_', '-')}"


def test_a_signal_reaches_who_connected_to_its_sender() -> None:
    app, other, heard = object(), object(), []

    def hear(sender: object, **kwargs: object) -> None:
        heard.append((sender, kwargs))

    for signal in NAMED.values():
        heard.clear()
        with signal.connected_to(hear, sender=app):
            signal.send(other, number=1)
            signal.send(app, number=2)
        signal.send(app, number=3)
        assert heard == [(app, {"number": 2})], signal.name
