"""Where do explanations point? Maps of each method against masks of real defects, and their faithfulness to the score.

One cut by part of each set is learnt; defective photographs are explained by each method, of s* and of the mean of the
50 worst patches. A part of ``python -m bench.memory``.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, median

import numpy as np
from jaxtyping import Bool

from app.errors import ImageRefused
from app.imaging.datasets import MvtecDataset
from app.imaging.folders import read_photograph
from app.imaging.masks import read_masks
from app.learning.learn import image_files, learn
from bench.accuracy import OTHERWISE, ROOT, TAUGHT
from bench.cuts import sets
from bench.datasets import Few, write_apart
from bench.tables import table
from core.bank import Bank
from core.config import DetectorConfig
from core.explain import METHODS, Explanation, Network, explain
from core.groups import by_photograph
from core.input.views import View, view_of
from core.metrics.pixel_evaluation import PixelEvaluation
from models.backbone import Backbone

SEED = 0
TAKEN, TOY = Few(parts=100, tests=10), Few(parts=8, tests=1)  # tests of each kind
WIDE = 50  # patches whose mean distance is explained beside s*
FLAT = ("patch-map",)  # the same for any number of patches
HEAD = ("set", "method", "explained", "pixel AUROC", "AUPRO", "pointing", "deletion", "insertion", "CPU ms")


@dataclass(eq=False)
class Row:
    """What is found of one method: maps against masks, hits of their highest place, areas, processor time."""

    pixels: PixelEvaluation = field(default_factory=PixelEvaluation)
    hits: list[bool] = field(default_factory=list)
    areas: list[tuple[float, float]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def add(self, found: Explanation, mask: Bool[np.ndarray, "h w"] | None, seconds: float) -> None:
        """One image."""
        if mask is not None:
            scores = found.heatmap * np.float32(found.score)  # so that pixels of all images compare
            self.pixels.add(scores, mask)
            self.hits.append(bool(mask.flat[found.heatmap.argmax()]))
        self.areas.append((found.faithfulness.deletion.area, found.faithfulness.insertion.area))
        self.seconds.append(seconds)

    def cells(self) -> list[str]:
        """Of the table."""
        places = ["no masks"] * 3
        if self.hits:
            metrics = self.pixels.metrics()
            places = [f"{figure:.3f}" for figure in (metrics.auroc, metrics.aupro, mean(self.hits))]
        areas = [f"{mean(each):.3f}" for each in zip(*self.areas, strict=True)]
        return [*places, *areas, f"{1e3 * median(self.seconds):.0f}"]


def section(backbone: Backbone, toy: bool) -> str:
    """The table and what it is of."""
    few, found, about = TOY if toy else TAKEN, list[list[str]](), list[str]()
    for dataset in sets():
        name = f"{dataset.name}-explain-{few.parts}"
        share = TAUGHT.get(dataset.name, OTHERWISE)
        split = write_apart(dataset, ROOT / "build" / "datasets" / name, SEED, share, few)
        rows, noise = _rows(split, backbone)
        found += [
            [dataset.name, method, "s*" if k == 1 else f"{k} worst", *row.cells()]
            for (method, k), row in rows.items()
        ]
        about.append(f"{dataset.name}: {len(noise)} defective photographs; a map of noise {mean(noise):.3f}.")
    said = f"{' '.join(about)} A bank of {few.parts} parts, {backbone.spec.name}, seed {SEED}."
    return f"{table(HEAD, found)}\n\n{said}"


def _rows(split: Path, backbone: Backbone) -> tuple[dict[tuple[str, int], Row], list[float]]:
    """A row for each method; and deletion and insertion of a map of noise, of each image."""
    bank, network = _bank(split, backbone), Network(backbone.module())
    rows = {(name, k): Row() for name in METHODS for k in (1, WIDE) if k == 1 or name not in FLAT}
    random: list[float] = []
    for view, mask in _defects(split, bank):
        for (name, k), row in rows.items():
            started = time.process_time()
            found = explain(view, bank, network, name, backbone.spec.offset, k)
            row.add(found, mask, time.process_time() - started)
        random.append(found.faithfulness.random)
    return rows, random


def _bank(split: Path, backbone: Backbone) -> Bank:
    config = DetectorConfig(target_false_reject=0.2)
    paths = MvtecDataset(split).train_images()
    files = image_files(paths, [path.name for path in paths], config.input)
    return learn(files, backbone, config, groups=by_photograph(len(paths))).bank


def _defects(split: Path, bank: Bank) -> Iterator[tuple[View, Bool[np.ndarray, "h w"] | None]]:
    """Defective photographs with the masks of what is wrong with them; None in a set without masks."""
    tests = [each for each in MvtecDataset(split).test_images() if each.defective]
    masked = any(each.masks for each in tests)
    for test in tests:
        image = read_photograph(test.path, bank.config.input)
        if isinstance(image, ImageRefused):
            raise image
        mask = read_masks(test.masks, image.shape) if test.masks else None
        if not masked or (mask is not None and mask.any()):
            yield view_of(image, bank.config, bank.backbone.mean, bank.reference), mask
