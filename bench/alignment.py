"""Does a heatmap lie on the defect? Pixel AUROC and AUPRO with maps moved by some pixels.

``python -m bench.alignment`` builds a bank of each set with masks that is at hand, for each backbone, and draws
the same patch distances with every offset from -8 to 8 input pixels (right and below are positive), and with the
one that the backbone's spec holds. ``--toy`` does so once at a small size, with squares painted on images of the
package elpv-dataset as defects.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float32

from app.errors import ImageRefused
from app.imaging.datasets import MvtecDataset
from app.imaging.folders import read_image
from app.imaging.masks import read_masks
from app.learning.learn import image_files, learn
from bench.accuracy import BACKBONES, RESNET50, ROOT
from bench.datasets import SHARED, write_elpv
from bench.tables import machine, table
from core.bank import Bank
from core.config import DetectorConfig, InputConfig
from core.detector import detect
from core.groups import by_photograph
from core.input.photograph import Image
from core.input.preprocess import Frame, frame, to_tensor
from core.judging.heatmap import heatmap
from core.metrics.pixel_evaluation import PixelEvaluation
from models.backbone import Backbone, load_backbone

OFFSETS = range(-8, 9)  # input pixels
SETS = ("hazelnut256", "mtd")
SQUARE = 0.2  # side of a painted defect, of the image's


class Pictures(NamedTuple):
    """Nominal images to build from; test images with their masks, None for good ones."""

    nominal: Sequence[Path]
    tests: Sequence[tuple[Image, Bool[np.ndarray, "h w"] | None]]


class Drawn(NamedTuple):
    """What a map is drawn from, and what it is held against."""

    distances: Float32[np.ndarray, "gh gw"]
    frame: Frame
    mask: Bool[np.ndarray, "h w"] | None


def main() -> None:
    """Print one row for each set, backbone and offset."""
    words = argparse.ArgumentParser(prog="python -m bench.alignment", description=__doc__)
    words.add_argument("--nominal", type=int, default=150, help="nominal images of a bank, at most")
    words.add_argument("--every", type=int, default=2, help="take every so many test images of a large set")
    words.add_argument("--toy", action="store_true", help="a few small images, to see that it works")
    options = words.parse_args()
    size, offsets, backbones = 256, OFFSETS, BACKBONES if RESNET50.exists() else BACKBONES[1:]
    sets = {name: SHARED / "data" / name for name in SETS if (SHARED / "data" / name).is_dir()}
    pictures = {name: _pictures(path, options.nominal, options.every) for name, path in sets.items()}
    if options.toy:
        size, offsets, backbones = 64, range(-8, 9, 8), BACKBONES[1:]
        pictures = {"painted": _painted(write_elpv(ROOT / "build" / "datasets" / "elpv-mono"))}
    print(f"{machine()}\n")
    rows = []
    for name, found in pictures.items():
        for backbone in (_backbone(b) for b in backbones):
            rows += list(_rows(name, backbone, found, size, offsets))
    print(table(["set", "backbone", "offset", "pixel AUROC", "AUPRO", ""], rows))


def _rows(
    name: str, backbone: Backbone, pictures: Pictures, size: int, offsets: Sequence[int]
) -> Iterator[list[str]]:
    config = DetectorConfig(input=InputConfig(size), target_false_reject=0.5)
    names = [path.name for path in pictures.nominal]
    images = image_files(pictures.nominal, names, config.input)
    bank = learn(images, backbone, config, groups=by_photograph(len(images))).bank
    drawn = [_drawn(image, mask, backbone, bank) for image, mask in pictures.tests]
    held = backbone.spec.offset
    for offset in sorted({*map(float, offsets), held}):
        found = PixelEvaluation()
        for one in drawn:
            found.add(heatmap(one.distances, one.frame, config.sigma, offset), one.mask)
        metrics = found.metrics()
        note = "in use" if offset == held else ""
        yield [name, backbone.spec.name, f"{offset:g}", f"{metrics.auroc:.4f}", f"{metrics.aupro:.4f}", note]
        print(" | ".join([name, backbone.spec.name, f"{offset:g}", f"{metrics.aupro:.4f}", note]), flush=True)


def _drawn(image: Image, mask: Bool[np.ndarray, "h w"] | None, backbone: Backbone, bank: Bank) -> Drawn:
    x = to_tensor(image, bank.config.input, backbone.spec.mean, backbone.spec.std)
    found = detect(torch.stack([x]), backbone, bank)
    return Drawn(found.distances.reshape(found.grid), frame(bank.config.input, *image.shape[:2]), mask)


def _pictures(folder: Path, nominal: int, every: int) -> Pictures:
    dataset = MvtecDataset(folder)
    tests = dataset.test_images()
    chosen = tests[:: every if len(tests) > 100 else 1]
    read = [(_read(test.path), test.masks) for test in chosen if test.masks or not test.defective]
    masked = [(image, read_masks(masks, image.shape[:2]) if masks else None) for image, masks in read]
    return Pictures(dataset.train_images()[:nominal], masked)


def _painted(elpv: Path, count: int = 6) -> Pictures:
    dataset = MvtecDataset(elpv)
    tests = []
    for i, test in enumerate(dataset.test_images()[:count]):
        image = _read(test.path).copy()
        side = round(SQUARE * len(image))
        mask = np.zeros(image.shape[:2], bool)
        mask[side : 2 * side, (i % 3 + 1) * side : (i % 3 + 2) * side] = True
        image[mask] = 0
        tests.append((image, mask))
    return Pictures(dataset.train_images()[:count], tests)


def _read(path: Path) -> Image:
    image = read_image(path)
    if isinstance(image, ImageRefused):
        raise image
    return image


def _backbone(name: str) -> Backbone:
    return load_backbone(name, RESNET50 if name == "resnet50" and RESNET50.exists() else None, False)


if __name__ == "__main__":
    main()
