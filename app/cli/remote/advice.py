"""``nominal remote advice``: which settings a bank's next build should have, by trials on the server."""

from __future__ import annotations

from typing import Annotated

import typer

from app.cli.advice_table import print_advice
from app.cli.console import Json, print_json, say
from app.cli.remote.banks import Bank, client_of, watch

commands = typer.Typer()


@commands.command()
def advice(
    ctx: typer.Context,
    bank: Bank,
    within: Annotated[
        float | None,
        typer.Option("--within", help="Seconds to take; by default at most three plain builds of CPU time."),
    ] = None,
    groups: Annotated[
        str | None, typer.Option("--groups", help="Images of one part, as of a build: serial, auto or none.")
    ] = None,
    last: Annotated[bool, typer.Option("--last", help="Show the newest advice; try nothing.")] = False,
    take: Annotated[
        bool, typer.Option("--take", help="Change the bank's settings for the next build.")
    ] = False,
    json_output: Json = False,
) -> None:
    """Try other settings on a part of a bank's nominal set, and say what to take."""
    client = client_of(ctx)
    if not last:
        watch(client, client.start_advice(bank, within=within, groups=groups))
    found = client.get_advice(bank).found
    if found is None:
        say(f"No advice for {bank} yet.")
        raise typer.Exit(1)
    if take and found.change:
        client.update_bank(bank, config=found.change)
    shown = found.model_dump(mode="json")
    if json_output:
        print_json(shown)
        return
    print_advice(shown)
    if take and found.change:
        say(f"{bank} has these settings now; they count from the next build.")
