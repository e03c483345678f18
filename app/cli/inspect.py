"""``nominal inspect``: images -> scores, decisions, regions and heatmaps."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.table import Table

from app.cli import app
from app.cli import options as o
from app.cli.console import notice, print_json, stdout
from app.cli.show import BankFile
from app.datasets import read_image
from app.engine import Engine, Inspection
from app.errors import ImageRefused
from app.files import write_atomically
from app.images import encode_png
from app.overlay import overlay
from core.bank import load_bank
from core.preprocess import Image
from models.backbone import load_backbone

Images = Annotated[list[Path], typer.Argument(help="Image files.")]


@app.command()
def inspect(
    bank_file: BankFile,
    images: Images,
    heatmaps: Annotated[
        Path | None,
        typer.Option("--heatmaps", help="Folder for an overlay (PNG) and raw map (NPY) of each image."),
    ] = None,
    weights: o.Weights = None,
    offline: o.Offline = False,
    runtime: o.Runtime = "auto",
    precision: o.Precision = "float32",
    json_output: o.Json = False,
) -> None:
    """Inspect images against a bank. One unreadable image is named and the rest inspected; the exit status is 1."""
    bank = load_bank(bank_file)
    engine = Engine(
        load_backbone(bank.backbone.name, weights, not offline, runtime, precision=precision), bank
    )
    answers = [_inspected(engine, path, heatmaps) for path in images]
    if json_output:
        print_json({"bank": str(bank_file), "inspections": answers})
    else:
        stdout.print(_table(answers))
    refused = [a for a in answers if "error" in a]
    for answer in refused:
        notice(f"{answer['image']}: {answer['error']}")
    if refused:
        raise typer.Exit(1)


def inspection_json(found: Inspection) -> dict[str, Any]:
    """One inspection as JSON, without its map."""
    return {
        "score": found.score,
        "decision": found.decision,
        "threshold_review": found.thresholds.review,
        "threshold_reject": found.thresholds.reject,
        "map_threshold": found.map_threshold,
        "regions": [asdict(region) for region in found.regions],
        "nearest": asdict(found.nearest),
        "milliseconds": asdict(found.timings),
    }


def _inspected(engine: Engine, path: Path, heatmaps: Path | None) -> dict[str, Any]:
    image = read_image(path)
    if isinstance(image, ImageRefused):
        return {"image": str(path), "error": str(image)}
    found = engine.inspect([image])[0]
    if heatmaps is not None:
        _save_maps(heatmaps, path, image, found)
    return {"image": str(path), **inspection_json(found)}


def _save_maps(folder: Path, path: Path, image: Image, found: Inspection) -> None:
    picture = overlay(image, found.heatmap, found.map_threshold, found.regions)
    write_atomically(folder / f"{path.stem}_overlay.png", encode_png(picture))
    target = folder / f"{path.stem}_map.npy"
    with target.open("wb") as file:
        np.save(file, found.heatmap, allow_pickle=False)


def _table(answers: list[dict[str, Any]]) -> Table:
    table = Table("image", "score", "threshold", "decision", "regions", "nearest nominal patch", box=None)
    for a in answers:
        if "error" in a:
            table.add_row(Path(a["image"]).name, "-", "-", "[red]unreadable[/]", "-", "-")
            continue
        colour = {"accept": "green", "review": "yellow", "reject": "red"}[a["decision"]]
        near = a["nearest"]
        table.add_row(
            Path(a["image"]).name,
            f"{a['score']:.3f}",
            f"{a['threshold_reject']:.3f}",
            f"[{colour}]{a['decision']}[/]",
            str(len(a["regions"])),
            f"{near['image']} ({near['row']}, {near['column']})",
        )
    return table
