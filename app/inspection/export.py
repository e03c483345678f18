"""A bank with its backbone as one file that other programs run, proven by conformance images (docs/export.md).

The file is written and proven beside its place, and only then put there.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from app import __version__
from app.inspection.engine import Engine
from core.bank import Bank
from core.config import AugmentConfig
from core.declared import all_settings
from core.detector import relative_difference
from core.errors import BankError, BankMismatch
from core.graph import DetectorGraph
from core.input.photograph import GAP, REDUCTIONS, Image
from core.input.preprocess import picture
from models.exchange import FileFormat, Run, Traced

FORM = 1  # of the facts in the file
FACTS = "nominal"  # the key that they are under
PICTURE, SCORE, MAP = "picture", "score", "map"
ROUNDS = 5  # of timing
FOLLOWED = frozenset(
    {
        *("input.reduced_jpeg", "input.grey", "input.significant_bits"),
        *("min_bank_vectors", "pca", "metric", "score", "position"),
        *(f"{AugmentConfig.part}.{each.name}" for each in all_settings(AugmentConfig)),
    }
)
"""The later settings that an export follows, or that only a build needs; a bank with another is refused."""


@dataclass(frozen=True)
class Exported:
    """files: what was written. Differences are relative, of conformance images; milliseconds: the fastest of a few, of
    one picture to score and map, by the file and by Nominal."""

    files: tuple[Path, ...]
    bytes: int
    images: int
    score_difference: float
    map_difference: float
    file_milliseconds: float
    nominal_milliseconds: float


def export(engine: Engine, format: FileFormat, path: Path, threads: int | None) -> Exported:
    """Write, prove, and put in place.

    Raises BankMismatch out of tolerance, BankError as ``check_exportable``, RuntimeUnavailable, OSError.
    """
    format.check()
    bank = engine.bank
    check_exportable(bank)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".export-") as folder:
        written = [Path(folder, path.name).with_suffix(suffix) for suffix in format.suffixes]
        format.write(traced(engine), written[0])
        run = format.open(written[0], threads)
        proof = prove(engine, run)
        times = _times(engine, run)
        size = sum(file.stat().st_size for file in written)
        files = tuple(path.with_suffix(suffix) for suffix in format.suffixes)
        for made, file in reversed(list(zip(written, files, strict=True))):  # the named one last
            made.replace(file)
    return Exported(files, size, len(bank.conformance.images), *proof, *times)


def check_exportable(bank: Bank) -> None:
    """Raise BankError for a setting that the graph does not follow, or without images to prove the file on."""
    if unknown := set(bank.config.later()) - FOLLOWED:
        raise BankError(
            requirement="an exported detector must do all that the bank's settings say",
            received=f"a bank with {', '.join(sorted(unknown))}, which Nominal applies before the resize",
            remedy="build it without, from photographs that are cropped to what is inspected, and export that",
        )
    if not bank.conformance.images:
        raise BankError(
            requirement="an export is proven on the bank's conformance images",
            received="a bank without any",
            remedy="build the bank again",
        )


def traced(engine: Engine) -> Traced:
    """What is written: the detector's graph, its input and outputs, and its facts."""
    bank, spec = engine.bank, engine.backbone.spec
    graph = DetectorGraph(engine.backbone.module(), bank, spec.offset).eval()
    example = torch.from_numpy(picture(bank.conformance.images[0], bank.config.input))[None]
    free = {} if bank.config.input.fit == "stretch" else {1: "height", 2: "width"}
    axes = {PICTURE: free, MAP: free} if free else {}
    return Traced(graph, example, PICTURE, (SCORE, MAP), axes, {FACTS: json.dumps(facts(engine))})


def facts(engine: Engine) -> dict[str, Any]:
    """All that a program needs besides the graph: how to make a picture, and what its score means."""
    bank = engine.bank
    config = bank.config.input
    return {
        "form": FORM,
        "nominal": __version__,
        "picture": {
            **asdict(config),
            "resize": "bilinear, antialiased, on bytes, as Pillow's BILINEAR",
            "reductions": REDUCTIONS if config.reduced_jpeg else (),
            "gap": GAP,
        },
        "thresholds": asdict(engine.thresholds),
        "map_threshold": engine.map_threshold,
        "tolerance": bank.conformance.tolerance,
        "backbone": {"name": bank.backbone.name, "digest": bank.backbone.digest},
        "config": bank.config.to_json(),
    }


def prove(engine: Engine, run: Run) -> tuple[float, float]:
    """The largest differences of scores from the recorded ones, and of maps from the engine's.

    Raises BankMismatch for either past the bank's tolerance.
    """
    bank = engine.bank
    pictures = [picture(image, bank.config.input) for image in bank.conformance.images]
    found = [run(each[None]) for each in pictures]
    scores = relative_difference(np.concatenate([score for score, _ in found]), bank.conformance.scores, bank)
    off = max(
        _map_difference(heat[0], engine.inspect([each])[0].heatmap, bank)
        for (_, heat), each in zip(found, pictures, strict=True)
    )
    for of, difference in (("scores", scores), ("maps", off)):
        if not difference <= bank.conformance.tolerance:
            raise BankMismatch(
                requirement=f"the exported file's {of} of the conformance images must be those of the bank within "
                f"{bank.conformance.tolerance:.2%}",
                received=f"a difference of {difference:.2%}; the file was deleted",
                remedy="build the bank in float32 (--precision float32) with --index flat, and export that",
            )
    return scores, off


def _map_difference(found: np.ndarray, expected: np.ndarray, bank: Bank) -> float:
    """Of any pixel, relative to the map's peak."""
    apart = np.abs(found - expected).max()
    peak = expected.max()
    return relative_difference(np.array([peak + apart]), np.array([peak]), bank)


def _times(engine: Engine, run: Run) -> tuple[float, float]:
    """Milliseconds of the file and of Nominal in turns: a picture of the input's size, to its score and its map."""
    shown = picture(engine.bank.conformance.images[0], engine.bank.config.input)
    ways: tuple[Callable[[Image], object], ...] = (
        lambda image: run(image[None]),
        lambda image: engine.inspect([image])[0].heatmap,
    )
    best = [float("inf")] * len(ways)
    for _ in range(ROUNDS):
        for i, way in enumerate(ways):
            started = time.perf_counter()
            way(shown)
            best[i] = min(best[i], 1e3 * (time.perf_counter() - started))
    return best[0], best[1]
