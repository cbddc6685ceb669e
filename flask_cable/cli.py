"""``flask cable ...``: what is registered, and whether the deployment will carry it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
from flask import current_app
from flask.cli import AppGroup

from .config import Config
from .doctor import diagnose
from .endpoints.channels import Channel
from .errors import CableError
from .publisher import Publisher
from .runtime import open_bus
from .signed_streams import BUILT_IN

COLOURS = {"ok": "green", "info": "blue", "warn": "yellow", "fail": "red"}

cable_commands = AppGroup("cable", help="Flask-Cable: channels and deployment.")


@cable_commands.command("channels")
def list_channels() -> None:
    """List the channels, their actions and their timers."""
    channels = current_app.extensions["cable"].cable.channels
    for name, channel in sorted(channels.items()):
        _show_channel(name, channel)
    if not channels:
        click.echo("no channels: decorate a subclass of Channel with @cable.channel, and import its module")
    for name, channel in BUILT_IN.items():
        if name not in channels:
            _show_channel(f"{name} (built in, for signed names)", channel)


def _show_channel(name: str, channel: type[Channel]) -> None:
    click.echo(name)
    click.echo(f"  class    {channel.__module__}.{channel.__qualname__}")
    click.echo(f"  actions  {', '.join(sorted(channel.actions)) or 'none'}")
    for callback, every in channel.periodic_timers:
        label = callback if isinstance(callback, str) else getattr(callback, "__qualname__", repr(callback))
        click.echo(f"  timer    {label} every {every:g} s")


@cable_commands.command("broadcast")
@click.argument("stream")
@click.argument("message", metavar="JSON")
def broadcast(stream: str, message: str) -> None:
    """Send JSON to everybody who hears STREAM, in every serving process.

    For example: flask cable broadcast chat:lobby '{"text": "back in five minutes"}'
    """
    value = _json(message)
    with _publisher() as publisher:
        publisher.broadcast(stream, value)
    click.echo(f"published to {stream}")


@cable_commands.command("disconnect")
@click.option(
    "--identifier",
    "identifiers",
    multiple=True,
    required=True,
    metavar="NAME=VALUE",
    help="Who: current_user=7, or current_user=User:7 for an object. Of several all have to match.",
)
@click.option("--no-reconnect", is_flag=True, help="Tell them not to come back.")
def disconnect(identifiers: tuple[str, ...], no_reconnect: bool) -> None:
    """Disconnect peers by their identifiers, in every serving process.

    For example: flask cable disconnect --identifier current_user=7
    """
    where = dict(map(_name_and_value, identifiers))
    with _publisher() as publisher:
        current_app.extensions["cable"].cable.remote_connections.where(**where)  # which knows the names
        publisher.disconnect(where, reconnect=not no_reconnect)
    click.echo(f"told every process to disconnect {', '.join(identifiers)}")


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise click.BadParameter(f"{error}; text needs its quotes: '\"hello\"'", param_hint="JSON") from None


def _name_and_value(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals or not value:
        raise click.BadParameter(f"{text!r} is not NAME=VALUE", param_hint="--identifier")
    return name, value


@contextmanager
def _publisher() -> Iterator[Publisher]:
    """The application's own adapter, to publish with; what goes wrong is told in one line."""
    cable, config = current_app.extensions["cable"].cable, Config(current_app.config)
    try:
        with Publisher(open_bus(cable, config)) as publisher:
            yield publisher
    except (CableError, ValueError) as error:
        raise click.ClickException(str(error)) from None


@cable_commands.command("doctor")
@click.option(
    "--bind-cmd",
    "command",
    default="",
    metavar="COMMAND",
    help="How the application is served: 'gunicorn -k gevent -w 1 app:app'. Otherwise GUNICORN_CMD_ARGS "
    "and gunicorn.conf.py in this directory are read.",
)
@click.pass_context
def examine(context: click.Context, command: str) -> None:
    """Check whether the deployment will carry WebSockets.

    One line per check: how it is, what was seen, and what to do about it. The exit code is 1 when
    something fails.
    """
    findings = diagnose(current_app._get_current_object(), command)  # type: ignore[attr-defined]
    for level, name, seen, remedy in findings:
        label = click.style(f"{level:<4}", fg=COLOURS[level])
        click.echo(f"{label}  {name:<18}  {seen}{' -> ' if remedy else ''}{remedy}")
    if any(finding.level == "fail" for finding in findings):
        context.exit(1)
