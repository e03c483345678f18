"""``nominal remote versions``: list, look into, compare, activate, roll back, download, import."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from app.cli.console import Json, plain, print_json, say, stdout
from app.cli.remote.group import Bank, client_of, commands

versions = typer.Typer(no_args_is_help=True, help="List, activate, roll back, download and import versions.")
commands.add_typer(versions, name="versions")

Number = Annotated[int, typer.Argument(help="Version's number.")]


@versions.command("list")
def list_(ctx: typer.Context, bank: Bank, json_output: Json = False) -> None:
    """Every version of a bank, newest first."""
    found = client_of(ctx).list_versions(bank)
    if json_output:
        print_json({"versions": [version.model_dump(mode="json") for version in found]})
        return
    table = Table("version", "active", "state", "images", "vectors", "threshold", "built", box=None)
    for v in found:
        summary = [str(v.summary.get(name, "-")) for name in ("images", "vectors")]
        threshold = v.summary.get("reject_threshold")
        table.add_row(
            str(v.number),
            "yes" if v.active else "-",
            plain(v.state if v.reason is None else f"{v.state}: {v.reason}"),
            *summary,
            "-" if threshold is None else f"{threshold:.3f}",
            f"{v.created_at:%Y-%m-%d %H:%M}",
        )
    stdout.print(table)


@versions.command()
def calibration(ctx: typer.Context, bank: Bank, version: Number, json_output: Json = False) -> None:
    """What a version promises, and the nominal images that look least nominal."""
    found = client_of(ctx).get_calibration(bank, version)
    if json_output:
        print_json(found.model_dump(mode="json"))
        return
    say(found.promise.text if found.promise else found.reason or f"{found.images} nominal images")
    table = Table("score", "hardest nominal image", "in the set", box=None)
    for image in found.hardest:
        table.add_row(f"{image.score:.3f}", plain(image.name), "yes" if image.present else "no")
    stdout.print(table)


@versions.command()
def compare(
    ctx: typer.Context,
    bank: Bank,
    a: Number,
    b: Number,
    limit: Annotated[int, typer.Option("--limit", min=1, max=500, help="Inspections at most.")] = 100,
    json_output: Json = False,
) -> None:
    """Run two versions over kept images of past inspections; show what they decide differently."""
    pairs = client_of(ctx).compare_versions(bank, a, b, limit=limit)
    if json_output:
        print_json({"pairs": [pair.model_dump(mode="json") for pair in pairs]})
        return
    table = Table("inspection", "verdict", f"version {a}", f"version {b}", box=None)
    for pair in pairs:
        if pair.flipped and pair.a and pair.b:
            sides = [f"{side.score:.3f} {side.decision}" for side in (pair.a, pair.b)]
            table.add_row(pair.inspection.id, pair.inspection.verdict or "-", *sides)
    say(f"{table.row_count} of {len(pairs)} inspections are decided differently")
    if table.row_count:
        stdout.print(table)


@versions.command()
def activate(ctx: typer.Context, bank: Bank, version: Number) -> None:
    """Serve this version from now on."""
    say(f"Version {client_of(ctx).activate_version(bank, version).active_version} of {bank} is active")


@versions.command("roll-back")
def roll_back(ctx: typer.Context, bank: Bank) -> None:
    """Activate the newest sound version before the active one."""
    say(f"Version {client_of(ctx).roll_back(bank).active_version} of {bank} is active")


@versions.command()
def download(
    ctx: typer.Context,
    bank: Bank,
    version: Number,
    out: Annotated[Path, typer.Option("--out", help="Bank file to write.")],
) -> None:
    """Save a version as a bank file."""
    say(f"Wrote {client_of(ctx).download_version(bank, version, out)}")


@versions.command("import")
def import_(
    ctx: typer.Context,
    bank: Bank,
    file: Annotated[Path, typer.Argument(help="Bank file.")],
    activate: Annotated[bool, typer.Option("--activate", help="Make it the active version.")] = False,
) -> None:
    """Have the server take in a bank file as the bank's next version."""
    version = client_of(ctx).import_version(bank, file, activate=activate)
    say(f"Version {version.number} of {bank}{' is active' if activate else ''}")
