"""The group ``nominal remote``: which server, and the client of the command that runs."""

from __future__ import annotations

from typing import Annotated

import typer

from app.cli import app
from app.client import NominalClient
from app.client.call import KEY, URL

commands = typer.Typer(no_args_is_help=True, help="Use a Nominal server: banks, builds, inspections, health.")
app.add_typer(commands, name="remote")

Bank = Annotated[str, typer.Argument(help="Bank's id.")]


@commands.callback()
def remote(
    ctx: typer.Context,
    url: Annotated[
        str | None, typer.Option("--url", envvar=URL, help="Server; this machine's port 8000 when left out.")
    ] = None,
    key: Annotated[
        str | None,
        typer.Option("--key", envvar=KEY, help="API key; others see it here, so better in the variable."),
    ] = None,
) -> None:
    """Every command talks to one server."""
    ctx.obj = ctx.with_resource(NominalClient(url, key))


def client_of(ctx: typer.Context) -> NominalClient:
    """The client of the command that runs."""
    found: NominalClient = ctx.obj
    return found
