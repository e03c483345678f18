"""``nominal remote sources``: the cameras of a server, and a picture taken by trigger."""

from __future__ import annotations

from typing import Annotated

import typer

from app.cli.console import Columns, Json, print_facts, print_json, print_list
from app.cli.remote.banks import client_of

sources = typer.Typer(no_args_is_help=True, help="Watch the server's cameras; take and inspect a picture.")
COLUMNS: Columns = {
    "camera": "source",
    "bank": "bank",
    "place": "place",
    "inspected": "inspected",
    "faults": "faults",
    "fault": "fault",
}


@sources.command("list")
def list_(ctx: typer.Context, json_output: Json = False) -> None:
    """List the cameras, with what was inspected and why one is not well."""
    print_list("sources", client_of(ctx).list_sources(), json_output, COLUMNS)


@sources.command()
def trigger(
    ctx: typer.Context,
    source: Annotated[str, typer.Argument(help="Camera's name.", show_default=False)],
    json_output: Json = False,
) -> None:
    """Take a picture now and inspect it."""
    found = client_of(ctx).trigger_source(source).model_dump(mode="json")
    print_json(found) if json_output else print_facts(
        {name: found[name] for name in ("id", "bank", "decision", "score", "name", "station")}
    )
