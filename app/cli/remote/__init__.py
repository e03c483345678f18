"""``nominal remote``: a server's banks, builds, inspections and health from the command line, over nominal_client."""

from __future__ import annotations

from typing import Annotated

import typer

from app.cli import app
from app.cli.console import Json, print_facts, print_json
from app.cli.remote import advice, banks, checks, controllers, defects, inspections, sinks, sources
from app.cli.remote.banks import client_of
from nominal_client import Client
from nominal_client.call import KEY, LOCAL, URL

commands = typer.Typer(no_args_is_help=True, help="Use a Nominal server: banks, builds, inspections, health.")
app.add_typer(commands, name="remote")
commands.add_typer(banks.commands)
commands.add_typer(advice.commands)
commands.add_typer(checks.checks, name="checks")
commands.add_typer(inspections.commands)
commands.add_typer(defects.commands)
controllers.add_to(sinks.sinks)
commands.add_typer(sinks.sinks, name="sinks")
commands.add_typer(sources.sources, name="sources")


@commands.callback()
def remote(
    ctx: typer.Context,
    url: Annotated[str | None, typer.Option("--url", envvar=URL, help=f"Server (default: {LOCAL}).")] = None,
    key: Annotated[
        str | None, typer.Option("--key", envvar=KEY, help="API key. The variable hides it from other users.")
    ] = None,
) -> None:
    """Use a Nominal server: banks, builds, inspections, health."""
    ctx.obj = ctx.with_resource(Client(url, key))


@commands.command()
def health(
    ctx: typer.Context,
    bank: Annotated[str | None, typer.Argument(help="Bank's id (default: the whole server).")] = None,
    check: Annotated[bool, typer.Option("--check", help="Score the bank's conformance images now.")] = False,
    json_output: Json = False,
) -> None:
    """Show the health of the server or of a bank. The exit status is 1 unless all is well."""
    if bank is None:
        whole = client_of(ctx).get_health()
        found, well = whole.model_dump(mode="json", exclude_none=True), whole.ready and whole.status == "ok"
    else:
        one = client_of(ctx).get_bank_health(bank, check=check)
        found, well = one.model_dump(mode="json"), one.state in ("ready", "not_loaded", "loading")
    print_json(found) if json_output else print_facts(found)
    if not well:
        raise typer.Exit(1)
