"""``nominal similar``: of a folder's images those whose worst places look most like one image's, without a service."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from jaxtyping import Float32

from app.cli import app
from app.cli import options as o
from app.cli.bank import BankFile
from app.cli.console import Columns, Json, counting, notice, print_json, print_rows
from app.errors import ImageRefused, NotDescribed
from app.imaging.decode import ImageLimits
from app.imaging.folders import list_images, read_photograph
from app.inspection.backbones import proven_engine
from app.inspection.engine import Engine, Inspection
from core.bank import load_bank
from core.errors import CoreError
from core.retrieval import expanded, ranked, whitening_of

COLUMNS: Columns = {
    "image": lambda each: Path(each["image"]).name,
    "similarity": lambda each: f"{each['similarity']:.3f}",
    "score": lambda each: f"{each['score']:.3f}",
    "decision": lambda each: each["decision"],
}


@app.command()
@o.grouped
def similar(
    bank_file: BankFile,
    image: Annotated[Path, typer.Argument(help="Image whose like is sought.")],
    folder: Annotated[Path, typer.Argument(help="Folder of images to compare with.")],
    machine: o.Machine,
    limits: ImageLimits,
    most: Annotated[int, typer.Option("--most", "-k", min=1, help="List at most this many.")] = 10,
    recursive: Annotated[bool, typer.Option("--recursive", help="Read subfolders too.")] = False,
    json_output: Json = False,
) -> None:
    """List the images of a folder whose worst places look most like those of an image, most similar first.

    Unreadable images are named, the rest compared; the exit status is then 1.
    """
    bank = load_bank(bank_file)
    paths = [path for path in list_images(folder, recursive) if path.resolve() != image.resolve()]
    engine = proven_engine(bank, machine.precision, partial(machine.load, bank.backbone.name))
    asked = _inspected(engine, image, limits)
    if not isinstance(asked, _Seen):
        raise asked
    refused, known = list[str](), list[_Seen]()
    with counting("Comparing", len(paths)) as done:
        for path in paths:
            found = _inspected(engine, path, limits)
            if isinstance(found, _Seen):
                known.append(found)
            else:
                refused.append(f"{path}: {found}")
            done()
    answers = _ranked(engine, asked, known, most)
    if json_output:
        print_json({"bank": str(bank_file), "image": str(image), "similar": answers, "refused": refused})
    else:
        print_rows(answers, COLUMNS)
    for each in refused:
        notice(each)
    if refused:
        raise typer.Exit(1)


@dataclass(frozen=True, eq=False)
class _Seen:
    """An image that can be compared: its answer, and what its worst patches look like."""

    path: Path
    found: Inspection
    worst: Float32[np.ndarray, " d"]


def _ranked(engine: Engine, asked: _Seen, known: list[_Seen], most: int) -> list[dict[str, Any]]:
    if not known:
        return []
    whitening = whitening_of(engine.bank.vectors)
    vectors = whitening(np.stack([seen.worst for seen in known]))
    query = expanded(whitening(asked.worst[None])[0], vectors)
    rows, similarities = ranked(query, vectors, most)
    return [
        {
            "image": str(known[row].path),
            "similarity": round(float(similarity), 4),
            "score": known[row].found.score,
            "decision": known[row].found.decision,
        }
        for row, similarity in zip(rows.tolist(), similarities, strict=True)
    ]


def _inspected(
    engine: Engine, path: Path, limits: ImageLimits
) -> _Seen | ImageRefused | CoreError | NotDescribed:
    photograph = read_photograph(path, engine.bank.config.input, limits)
    if isinstance(photograph, ImageRefused):
        return photograph
    try:
        found = engine.inspect([photograph])[0]
    except CoreError as error:  # only this image is at fault: too long for its fit, say
        return error
    if found.worst is None:
        return NotDescribed(
            "an image is compared by its worst patches",
            "one whose part was not located",
            "Photograph it again.",
        )
    return _Seen(path, found, found.worst)
