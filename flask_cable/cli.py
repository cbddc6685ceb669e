"""``flask cable ...``: what is registered, and whether the deployment will carry it."""

from __future__ import annotations

import click
from flask import current_app
from flask.cli import AppGroup

cable_commands = AppGroup("cable", help="Flask-Cable: channels and deployment.")


@cable_commands.command("channels")
def list_channels() -> None:
    """List the channels, their actions and their timers."""
    for name, channel in sorted(current_app.extensions["cable"].cable.channels.items()):
        click.echo(name)
        click.echo(f"  class    {channel.__module__}.{channel.__qualname__}")
        click.echo(f"  actions  {', '.join(sorted(channel.actions)) or 'none'}")
        for timer in channel.periodic_timers:
            click.echo(
                f"  timer    {getattr(timer.callback, '__name__', timer.callback)} every {timer.every:g} s"
            )
