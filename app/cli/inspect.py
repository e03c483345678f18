"""``nominal inspect``: images -> scores, decisions, regions and heatmaps."""

from __future__ import annotations

import io
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from app.cli import app
from app.cli import options as o
from app.cli.bank import BankFile
from app.cli.console import Json, map_names, notice, print_answers
from app.errors import ImageRefused
from app.imaging.decode import ImageLimits
from app.imaging.folders import list_images, read_image, read_photograph
from app.imaging.pictures import encode_png, overlay
from app.inspection.backbones import proven_engine
from app.inspection.engine import Engine, Inspection
from core.bank import load_bank
from core.errors import CoreError
from core.files import write_atomically
from core.input.photograph import Image
from nominal_client.litter import left_out, sentences

Images = Annotated[list[Path], typer.Argument(help="Image files, or folders of them.")]


@app.command()
@o.grouped
def inspect(
    bank_file: BankFile,
    images: Images,
    machine: o.Machine,
    limits: ImageLimits,
    heatmaps: Annotated[
        Path | None,
        typer.Option("--heatmaps", help="Folder for the overlay (PNG) and raw map (NPY) of each image."),
    ] = None,
    json_output: Json = False,
) -> None:
    """Inspect images against a bank; a folder stands for its images.

    Unreadable images are named, the rest inspected; the exit status is then 1.
    """
    if heatmaps is not None:
        heatmaps.mkdir(parents=True, exist_ok=True)
    bank = load_bank(bank_file)
    engine = proven_engine(bank, machine.precision, partial(machine.load, bank.backbone.name))
    images = [image for path in images for image in _images_of(path)]
    places = [heatmaps and heatmaps / name for name in map_names(images)]
    answers = [_inspected(engine, path, place, limits) for path, place in zip(images, places, strict=True)]
    print_answers({"bank": str(bank_file)}, answers, _row, json_output)


def _images_of(path: Path) -> list[Path]:
    """The file itself, or a folder's images, with a notice of what is left out of it. Raises FolderError."""
    if not path.is_dir():
        return [path]
    images = list_images(path)
    for sentence in sentences(left_out(path, images)):
        notice(f"{path}: {sentence}")
    return images


def inspection_json(found: Inspection) -> dict[str, Any]:
    """One inspection as JSON, without its map."""
    return {
        "score": found.score,
        "decision": found.decision,
        "threshold_review": found.thresholds.review,
        "threshold_reject": found.thresholds.reject,
        "map_threshold": found.map_threshold,
        "regions": [asdict(region) for region in found.regions],
        "nearest": found.nearest and asdict(found.nearest),
        "location": found.location and found.location.document(),
        "milliseconds": asdict(found.timings),
    }


def _inspected(engine: Engine, path: Path, place: Path | None, limits: ImageLimits) -> dict[str, Any]:
    image = read_photograph(path, engine.bank.config.input, limits)
    if isinstance(image, ImageRefused):
        return {"image": str(path), "error": str(image)}
    shown = image.pixels
    if place is not None and image.reduced > 1:
        whole = read_image(path, limits)
        if isinstance(whole, ImageRefused):
            return {"image": str(path), "error": str(whole)}
        shown = whole
    try:
        found = engine.inspect([image])[0]
    except CoreError as error:  # only this image is at fault: too long for its fit, say
        return {"image": str(path), "error": str(error)}
    answer = {"image": str(path), **inspection_json(found)}
    try:
        files = {} if place is None else _save_maps(place, shown, found, engine.map_threshold)
    except OSError as error:  # the decision stands
        return {**answer, "error": f"Its maps could not be written: {error.strerror}."}
    return {**answer, **files}


def _save_maps(place: Path, image: Image, found: Inspection, level: float) -> dict[str, str]:
    """Write the overlay and the raw map; the names of their files. level: what the overlay's colours rest on."""
    raw = io.BytesIO()
    np.save(raw, found.heatmap, allow_pickle=False)
    files = {
        "overlay": place.with_name(f"{place.name}_overlay.png"),
        "map": place.with_name(f"{place.name}_map.npy"),
    }
    write_atomically(files["overlay"], encode_png(overlay(image, found.heatmap, level, found.regions)))
    write_atomically(files["map"], raw.getvalue())
    return {kind: str(file) for kind, file in files.items()}


def _row(answer: dict[str, Any]) -> list[object]:
    near, location = answer["nearest"], answer["location"]
    lost = None if near is not None else location["reason"]
    return [
        "not located" if lost else f"{answer['score']:.3f}",
        f"{answer['threshold_reject']:.3f}",
        answer["decision"],
        len(answer["regions"]),
        lost or f"{near['image']} ({near['row']}, {near['column']})",
    ]
