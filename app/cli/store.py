"""``nominal store``: the whole store into one file and back, its files verified and healed, its clock, a new beginning.

They work on the store that the settings name, beside a running server and without one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli import app
from app.cli.console import Json, notice, print_facts, print_json, print_rows, say
from app.settings import load_settings
from app.store.store import open_store
from app.store.verifying import Finding

commands = typer.Typer(
    no_args_is_help=True, help="Back up, restore, verify and heal everything the service keeps."
)
app.add_typer(commands, name="store")

ACTOR = "cli"
SHOWN = 1000  # findings that are listed; the others are only counted


@commands.command()
def backup(file: Annotated[Path, typer.Argument(help="File to write, .tar.")]) -> None:
    """Write database and images to one file; the server may be running. The exit status is 1 if files are lost."""
    with open_store(load_settings()) as store:
        manifest = store.backup(file)
        store.note_backup(file, manifest, ACTOR)
    say(f"Wrote {file}: {_held(manifest)}")
    _refuse_lost(
        manifest, "The backup is without these files, which the store has lost: 'nominal store verify'"
    )


@commands.command()
def restore(file: Annotated[Path, typer.Argument(help="A backup.")]) -> None:
    """Fill an empty store from a backup, verified first; also from SQLite to PostgreSQL, or from a folder to S3."""
    with open_store(load_settings(), anew=True) as store:
        manifest = store.restore(file)
    say(f"Restored {file}: {_held(manifest)}")
    _refuse_lost(
        manifest, "These files were lost before the backup was made: 'nominal store heal' takes them"
    )


@commands.command()
def begin_anew() -> None:
    """Give up a lost database and begin with an empty one, without keys, beside the files that it described."""
    with open_store(load_settings(), anew=True) as store:
        store.begin_anew(ACTOR)
        place = store.blobs.files.place
    say(f"The store begins anew. Nothing refers to the files in {place} any more.")


@commands.command()
def trust_clock() -> None:
    """Accept this machine's date as right after it jumped: retention goes on, and keys expire by it again."""
    with open_store(load_settings()) as store:
        now = store.time.trust(ACTOR)
    say(
        f"Trusted: it is {now:%Y-%m-%d %H:%M} UTC. A running server deletes by age again with its next sweep."
    )


def _held(manifest: dict[str, Any]) -> str:
    rows = {table["name"]: table["rows"] for table in manifest["tables"]}
    blobs = manifest["blobs"].values()
    parts = (
        f"{rows['banks']} banks",
        f"{rows['inspections']} inspections",
        f"{len(blobs)} files",
        f"{sum(blobs)} bytes",
    )
    return ", ".join(parts)


def _refuse_lost(manifest: dict[str, Any], sentence: str) -> None:
    """Names what the archive is without. Raises typer.Exit(1)."""
    lost: Mapping[str, str] = manifest.get("lost", {})
    if lost:
        notice(f"{sentence}.")
        for sha256, fault in islice(lost.items(), SHOWN):
            notice(f"{sha256} {fault}")
        notice(f"{len(lost)} in all.")
        raise typer.Exit(1)


@commands.command()
def verify(json_output: Json = False) -> None:
    """Read every file that the database needs and compare its digest. The exit status is 1 if any is wrong."""
    with open_store(load_settings()) as store:
        verifier = store.verifier(_load_bank)
        found = [*_first(verifier.findings())]
        store.note_lost(verifier.totals.lost)
    totals = verifier.totals.as_json()
    if json_output:
        print_json(totals | {"findings": [vars(each) for each in found]})
    else:
        print_facts(totals)
        if found:
            print_rows(
                found, {"sha256": "sha256", "fault": "fault", "needed by": "used_by", "detail": "detail"}
            )
    if verifier.totals.faults:
        raise typer.Exit(1)


@commands.command()
def heal(
    sources: Annotated[
        list[Path],
        typer.Argument(exists=True, help="Files, folders, or tars such as a backup.", metavar="FILE..."),
    ],
) -> None:
    """Take lost and damaged files back from others with the same bytes. The exit status is 1 if any stays lost."""
    with open_store(load_settings()) as store:
        healer = store.healer()
        for path in sources:
            healer.take(path)
        store.note_healed(healer, ACTOR)
    say(f"{len(healer.healed)} files are whole again, {len(healer.left)} are still lost")
    for sha256 in healer.left[:SHOWN]:
        notice(f"{sha256} is still lost")
    if healer.left:
        raise typer.Exit(1)


def _first(findings: Iterator[Finding]) -> Iterator[Finding]:
    """The first of them; the others are gone through, so that they are counted."""
    yield from islice(findings, SHOWN)
    for _ in findings:
        pass


def _load_bank(path: Path) -> object:
    from core.bank import load_record  # torch takes seconds to import

    return load_record(path)
