"""``nominal remote inspections`` and ``review``: the ledger, and what people found."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.table import Table

from app.cli.console import Json, plain, print_json, say, stdout
from app.cli.remote.group import client_of, commands
from app.cli.remote.inspecting import row_of
from app.client.inspections import Which
from app.http.schemas.inspections import Decision, Finding

inspections = typer.Typer(no_args_is_help=True, help="List and export the ledger of inspections.")
commands.add_typer(inspections, name="inspections")

Of = Annotated[str | None, typer.Option("--bank", help="Of this bank.")]
Decided = Annotated[Decision | None, typer.Option("--decision", help="Decided so.")]
Serial = Annotated[str | None, typer.Option("--serial", help="Of this part.")]
Since = Annotated[datetime | None, typer.Option("--since", help="From then on, UTC.")]
Until = Annotated[datetime | None, typer.Option("--until", help="Before then, UTC.")]
Inspected = Annotated[str, typer.Argument(help="Inspection's id.")]


@inspections.command("list")
def list_(
    ctx: typer.Context,
    bank: Of = None,
    decision: Decided = None,
    serial: Serial = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Lines at most.")] = 50,
    json_output: Json = False,
) -> None:
    """The newest inspections of a filter."""
    which = _which(bank, decision, serial, since, until)
    found = list(islice(client_of(ctx).list_inspections(**which), limit))
    if json_output:
        print_json({"inspections": [inspection.model_dump(mode="json") for inspection in found]})
        return
    head = (
        "inspection",
        "when",
        "bank",
        "serial",
        "score",
        "threshold",
        "decision",
        "regions",
        "nearest",
        "verdict",
    )
    table = Table(*head, box=None)
    for i in found:
        when = f"{i.created_at:%Y-%m-%d %H:%M:%S}"
        table.add_row(i.id, when, plain(i.bank), plain(i.serial or "-"), *row_of(i), i.verdict or "-")
    stdout.print(table)


@inspections.command()
def export(
    ctx: typer.Context,
    form: Annotated[Literal["csv", "jsonl"], typer.Argument(help="csv or jsonl.")] = "csv",
    out: Annotated[Path | None, typer.Option("--out", help="File; standard output when left out.")] = None,
    bank: Of = None,
    decision: Decided = None,
    serial: Serial = None,
    since: Since = None,
    until: Until = None,
) -> None:
    """Every inspection of a filter, newest first."""
    which = _which(bank, decision, serial, since, until)
    if out is None:
        client_of(ctx).write_inspections(sys.stdout.buffer, form=form, **which)
    else:
        say(f"Wrote {client_of(ctx).export_inspections(out, form=form, **which)}")


@commands.command()
def review(
    ctx: typer.Context,
    inspection: Inspected,
    verdict: Annotated[
        Finding, typer.Argument(help="confirmed_defect, false_alarm, missed_defect, or withdrawn.")
    ],
    note: Annotated[str, typer.Option("--note", help="Anything that helps the next reader.")] = "",
    teach: Annotated[
        bool,
        typer.Option("--teach", help="Add a false alarm's image to the nominal set, for the next build."),
    ] = False,
) -> None:
    """Say what a person found of an inspection."""
    client = client_of(ctx)
    said = client.review(inspection, verdict, note)
    say(f"Review {said.revision} of {inspection}: {said.verdict}")
    if teach:
        taught = client.add_false_alarm(inspection)
        say(f"Its image is in the nominal set ({taught.status}), which holds {taught.nominal_images}")


def _which(
    bank: str | None,
    decision: Decision | None,
    serial: str | None,
    since: datetime | None,
    until: datetime | None,
) -> Which:
    """What was asked for, without the rest."""
    which: Which = {}
    if bank is not None:
        which["bank"] = bank
    if decision is not None:
        which["decision"] = decision
    if serial is not None:
        which["serial"] = serial
    if since is not None:
        which["since"] = since.replace(tzinfo=UTC)
    if until is not None:
        which["until"] = until.replace(tzinfo=UTC)
    return which
