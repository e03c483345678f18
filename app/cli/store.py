"""``nominal store``: the whole store into one file and back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli import app
from app.cli.console import say
from app.settings import load_settings
from app.store.store import open_store

commands = typer.Typer(no_args_is_help=True, help="Back up and restore everything the service keeps.")
app.add_typer(commands, name="store")


@commands.command()
def backup(file: Annotated[Path, typer.Argument(help="File to write, .tar.")]) -> None:
    """Write database and images to one file, whole or not at all; the server may be running."""
    with open_store(load_settings()) as store:
        manifest = store.backup(file)
    say(f"Wrote {file}: {_told(manifest)}")


@commands.command()
def restore(file: Annotated[Path, typer.Argument(help="A backup.")]) -> None:
    """Fill an empty store from a backup, verified first; also from SQLite to PostgreSQL, or from a folder to S3."""
    with open_store(load_settings()) as store:
        manifest = store.restore(file)
    say(f"Restored {file}: {_told(manifest)}")


def _told(manifest: dict[str, Any]) -> str:
    rows = {table["name"]: table["rows"] for table in manifest["tables"]}
    blobs = manifest["blobs"].values()
    parts = (
        f"{rows['banks']} banks",
        f"{rows['inspections']} inspections",
        f"{len(blobs)} files",
        f"{sum(blobs)} bytes",
    )
    return ", ".join(parts)
