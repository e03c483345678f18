"""Where do explanations point? Maps of each method against masks of real defects, and their faithfulness to the score.

``python -m bench.explain`` (``make bench-explain``) learns one cut by part of a set with masks, explains defective
photographs by each method, of s* and of the mean of the 50 worst patches, and writes docs/accuracy.md's table.
``--toy`` takes a few photographs and leaves the page alone.
"""

from __future__ import annotations

import argparse
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
from bench.accuracy import ROOT, TAUGHT, in_float32
from bench.datasets import SHARED, Few, write_apart
from bench.tables import ACCURACY, machine, replace_section, table
from core.bank import Bank
from core.config import DetectorConfig
from core.explain import METHODS, Explanation, Network, explain
from core.groups import by_photograph
from core.input.views import View, view_of
from core.metrics.pixel_evaluation import PixelEvaluation
from models.backbone import Backbone

BACKBONE, SET, SEED = "efficientnet-lite2", "mtd", 0
TAKEN, TOY = Few(parts=100, tests=10), Few(parts=8, tests=1)  # tests of each of five kinds
WIDE = 50  # patches whose mean distance is explained beside s*
FLAT = ("patch-map",)  # the same for any number of patches
HEAD = ("method", "explained", "pixel AUROC", "AUPRO", "pointing", "deletion", "insertion", "CPU ms")


@dataclass(eq=False)
class Row:
    """What is found of one method: maps against masks, hits of their highest place, areas, processor time."""

    pixels: PixelEvaluation = field(default_factory=PixelEvaluation)
    hits: list[bool] = field(default_factory=list)
    areas: list[tuple[float, float]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def add(self, found: Explanation, mask: Bool[np.ndarray, "h w"], seconds: float) -> None:
        """One image."""
        self.pixels.add(found.heatmap * np.float32(found.score), mask)  # so that pixels of all images compare
        self.hits.append(bool(mask.flat[found.heatmap.argmax()]))
        self.areas.append((found.faithfulness.deletion.area, found.faithfulness.insertion.area))
        self.seconds.append(seconds)

    def cells(self) -> list[str]:
        """Of the table."""
        metrics, (deleted, inserted) = self.pixels.metrics(), zip(*self.areas, strict=True)
        figures = (metrics.auroc, metrics.aupro, mean(self.hits), mean(deleted), mean(inserted))
        return [*(f"{figure:.3f}" for figure in figures), f"{1e3 * median(self.seconds):.0f}"]


def main() -> None:
    """Print the table, and write it unless it is of a toy's size."""
    parser = argparse.ArgumentParser(prog="python -m bench.explain", description=__doc__)
    parser.add_argument("--toy", action="store_true", help="a few photographs; the page stays as it is")
    toy = parser.parse_args().toy
    few, dataset = TOY if toy else TAKEN, SHARED / "data" / SET
    if not dataset.is_dir():
        raise SystemExit(f"this bench needs the image set {SET} beside the checkout, in {SHARED / 'data'}")
    split = write_apart(
        dataset, ROOT / "build" / "datasets" / f"{SET}-explain-{few.parts}", SEED, TAUGHT[SET], few
    )
    backbone = in_float32(BACKBONE)
    bank, network = _bank(split, backbone), Network(backbone.module())
    rows = {(name, k): Row() for name in METHODS for k in (1, WIDE) if k == 1 or name not in FLAT}
    random: list[float] = []
    for view, mask in _defects(split, bank):
        for (name, k), row in rows.items():
            started = time.process_time()
            found = explain(view, bank, network, name, backbone.spec.offset, k)
            row.add(found, mask, time.process_time() - started)
        random.append(found.faithfulness.random)
    said = [
        table(
            HEAD, [[name, "s*" if k == 1 else f"{k} worst", *row.cells()] for (name, k), row in rows.items()]
        ),
        "",
        f"A map of noise: deletion and insertion {mean(random):.3f}. {SET}, cut by part: {len(random)} defective "
        f"photographs, a bank of {few.parts} parts, {BACKBONE}, seed {SEED}. Machine: {machine()}. "
        "Command: `make bench-explain`.",
    ]
    text = "\n".join(said)
    print(text)
    if not toy:
        replace_section("explanations", text, ACCURACY)


def _bank(split: Path, backbone: Backbone) -> Bank:
    config = DetectorConfig(target_false_reject=0.2)
    paths = MvtecDataset(split).train_images()
    files = image_files(paths, [path.name for path in paths], config.input)
    return learn(files, backbone, config, groups=by_photograph(len(paths))).bank


def _defects(split: Path, bank: Bank) -> Iterator[tuple[View, Bool[np.ndarray, "h w"]]]:
    """Defective photographs with the masks of what is wrong with them."""
    for test in (each for each in MvtecDataset(split).test_images() if each.defective and each.masks):
        image = read_photograph(test.path, bank.config.input)
        if isinstance(image, ImageRefused):
            raise image
        mask = read_masks(test.masks, image.shape)
        if mask.any():
            yield view_of(image, bank.config, bank.backbone.mean, bank.reference), mask


if __name__ == "__main__":
    main()
