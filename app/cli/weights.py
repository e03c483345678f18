"""``nominal weights``: list, fetch, import and export backbone weights."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column, Table

from app.cli import app
from app.cli.console import Json, plain, print_json, say, stderr, stdout
from models import weights as store

commands = typer.Typer(no_args_is_help=True, help="List, fetch, import and export backbone weights.")
app.add_typer(commands, name="weights")

Name = Annotated[str, typer.Argument(help="Backbone, as `nominal weights list` names it.")]


@commands.command("list")
def list_(json_output: Json = False) -> None:
    """Every backbone, and whether its weights are at hand; never tries the network."""
    found = store.list_weights()
    if json_output:
        rows = [asdict(w) | {"path": str(w.path) if w.path else None} for w in found]
        print_json({"backbones": rows})
        return
    table = Table(Column("backbone", no_wrap=True), "weights", "size", "digest", "licence", "", box=None)
    for w in found:
        size = f"{w.size / 1e6:.0f} MB" if w.size else "-"
        digest = w.digest[:16] if w.digest else "-"
        table.add_row(w.name, w.source or w.status, size, digest, w.licence, plain(w.detail))
    stdout.print(table, highlight=False)


@commands.command()
def fetch(name: Name) -> None:
    """Download the published weights into the cache, checked against their digest."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=stderr) as bars:
        task = bars.add_task(f"Fetching {name}", total=None)
        found = store.fetch(name, lambda done, total: bars.update(task, completed=done, total=total))
    say(f"{name}: {found.path}")


@commands.command("import")
def import_(
    name: Name,
    file: Annotated[Path, typer.Argument(help="Weights file: .pth or .safetensors, whole or trimmed.")],
    accept_digest: Annotated[
        str | None,
        typer.Option("--accept-digest", help="Accept weights of this digest, though not the published."),
    ] = None,
) -> None:
    """Verify a weights file and keep what the layers need of it in the cache; for machines without a network."""
    found = store.import_file(name, file, accept_digest)
    say(f"{name}: {found.path} ({found.weights.digest})")


@commands.command()
def export(name: Name, out: Annotated[Path, typer.Argument(help="File to write, .safetensors.")]) -> None:
    """Write the weights that the layers need as one safetensors file, to carry to another machine."""
    found = store.export(name, out)
    say(f"{name}: {found.path} ({found.weights.digest})")
