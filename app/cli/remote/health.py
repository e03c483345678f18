"""``nominal remote health``: how the server is, and how a bank is."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.table import Table

from app.cli.console import Json, plain, print_json, stdout
from app.cli.remote.group import client_of, commands


@commands.command()
def health(
    ctx: typer.Context,
    bank: Annotated[str | None, typer.Argument(help="How this bank is; the server when left out.")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Have the bank's conformance images scored now.")
    ] = False,
    json_output: Json = False,
) -> None:
    """How the server is, or a bank of it. The exit status is 1 unless all is well."""
    if bank is None:
        whole = client_of(ctx).get_health()
        found, well = whole.model_dump(mode="json", exclude_none=True), whole.ready and whole.status == "ok"
    else:
        one = client_of(ctx).get_bank_health(bank, check=check)
        found, well = one.model_dump(mode="json"), one.state in ("ready", "not_loaded", "loading")
    print_json(found) if json_output else stdout.print(_table(found))
    if not well:
        raise typer.Exit(1)


def _table(found: dict[str, Any]) -> Table:
    table = Table(show_header=False, box=None)
    for name, value in found.items():
        inner = [f"{k} {v}" for k, v in value.items()] if isinstance(value, dict) else [value]
        table.add_row(name.replace("_", " "), plain("\n".join(map(str, inner)) or "-"))
    return table
