"""``flask cable ...``: what is registered, and whether the deployment will carry it."""

from __future__ import annotations

import click
from flask import current_app
from flask.cli import AppGroup

from .doctor import diagnose
from .endpoints.channels import Channel

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


def _show_channel(name: str, channel: type[Channel]) -> None:
    click.echo(name)
    click.echo(f"  class    {channel.__module__}.{channel.__qualname__}")
    click.echo(f"  actions  {', '.join(sorted(channel.actions)) or 'none'}")
    for callback, every in channel.periodic_timers:
        label = callback if isinstance(callback, str) else getattr(callback, "__qualname__", repr(callback))
        click.echo(f"  timer    {label} every {every:g} s")


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
