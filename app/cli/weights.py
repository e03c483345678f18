"""``nominal weights``: list, fetch, import and export backbone weights."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli import app
from app.cli.console import Json, print_json, print_rows, say, transferring
from models import weights as store

commands = typer.Typer(no_args_is_help=True, help="List, fetch, import and export backbone weights.")
app.add_typer(commands, name="weights")

Name = Annotated[str, typer.Argument(help="Backbone, as listed by `nominal weights list`.")]


@commands.command("list")
def list_(json_output: Json = False) -> None:
    """List every backbone and whether its weights are available; never uses the network."""
    found = store.list_weights()
    if json_output:
        rows = [asdict(w) | {"path": str(w.path) if w.path else None} for w in found]
        print_json({"backbones": rows})
        return
    columns: dict[str, Any] = {
        "backbone": "name",
        "weights": lambda w: w.source or w.status,
        "size": lambda w: w.size and f"{w.size / 1e6:.0f} MB",
        "digest": lambda w: w.digest and w.digest[:16],
        "licence": "licence",
    }
    print_rows(found, columns)
    for w in found:
        if w.detail:
            say(f"{w.name}: {w.detail}")


@commands.command()
def fetch(name: Name) -> None:
    """Download the published weights into the cache and check their digest."""
    with transferring(f"Fetching {name}") as progress:
        found = store.fetch(name, progress)
    say(f"{name}: {found.path}")


@commands.command("import")
def import_(
    name: Name,
    file: Annotated[Path, typer.Argument(help="Weights file: .pth or .safetensors, whole or trimmed.")],
    accept_digest: Annotated[
        str | None,
        typer.Option("--accept-digest", help="Accept weights with this digest instead of the published one."),
    ] = None,
) -> None:
    """Verify a weights file and put what the layers need into the cache; for machines without a network."""
    found = store.import_file(name, file, accept_digest)
    say(f"{name}: {found.path} ({found.weights.digest})")


@commands.command()
def export(name: Name, out: Annotated[Path, typer.Argument(help="File to write, .safetensors.")]) -> None:
    """Write the weights that the layers need to one safetensors file, for another machine."""
    found = store.export(name, out)
    say(f"{name}: {found.path} ({found.weights.digest})")
