"""``nominal remote banks``: list, create, show, delete."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.table import Table

from app.cli.console import Json, plain, print_json, say, stdout
from app.cli.remote.group import Bank, client_of, commands
from app.client import BadArgument

banks = typer.Typer(no_args_is_help=True, help="List, create, show and delete banks.")
commands.add_typer(banks, name="banks")


@banks.command("list")
def list_(ctx: typer.Context, json_output: Json = False) -> None:
    """Every bank with its active version."""
    found = list(client_of(ctx).list_banks())
    if json_output:
        print_json({"banks": [bank.model_dump(mode="json") for bank in found]})
        return
    table = Table("bank", "title", "active version", "pinned", "changed", box=None)
    for bank in found:
        active = "-" if bank.active_version is None else str(bank.active_version)
        table.add_row(
            plain(bank.id), plain(bank.title), active, str(bank.pinned), f"{bank.updated_at:%Y-%m-%d %H:%M}"
        )
    stdout.print(table)


@banks.command()
def create(
    ctx: typer.Context,
    bank: Annotated[str, typer.Argument(help="New id: a-z, 0-9, '_' and '-'.")],
    title: Annotated[str, typer.Option("--title", help="Any text.")] = "",
    size: Annotated[int | None, typer.Option("--size", help="Side of the input in pixels.")] = None,
    config: Annotated[
        str, typer.Option("--config", help='Other settings of builds as JSON: {"coreset_ratio": 0.05}.')
    ] = "{}",
    target_false_reject: Annotated[
        float | None, typer.Option("--target-false-reject", help="Share of good parts that may be rejected.")
    ] = None,
    target_review: Annotated[
        float | None,
        typer.Option("--target-review", help="Share that may be reviewed or rejected; no review by default."),
    ] = None,
    pinned: Annotated[bool, typer.Option("--pinned", help="Keep its active version in memory.")] = False,
    json_output: Json = False,
) -> None:
    """Create a bank: one view of one product."""
    settings = _object(config)
    if size is not None:
        settings["input"] = {**settings.get("input", {}), "size": size}
    made = client_of(ctx).create_bank(
        bank,
        title,
        config=settings,
        target_false_reject=target_false_reject,
        target_review=target_review,
        pinned=pinned,
    )
    print_json(made.model_dump(mode="json")) if json_output else say(f"Created {made.id}")


@banks.command()
def show(ctx: typer.Context, bank: Bank, json_output: Json = False) -> None:
    """One bank: its nominal set, version, thresholds and config."""
    found = client_of(ctx).get_bank(bank).model_dump(mode="json")
    if json_output:
        print_json(found)
        return
    table = Table(show_header=False, box=None)
    for name, value in found.items():
        table.add_row(name.replace("_", " "), plain("-" if value is None else value))
    stdout.print(table)


@banks.command()
def delete(
    ctx: typer.Context,
    bank: Bank,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete a bank with its images, versions and jobs; its inspections stay."""
    if not yes:
        typer.confirm(f"Delete {bank} with its images and versions?", abort=True, err=True)
    client_of(ctx).delete_bank(bank)
    say(f"Deleted {bank}")


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise BadArgument(
            requirement="--config must be a JSON object", received=text[:80], remedy="Quote it for the shell."
        )
    return value
