"""What does a CUDA device gain? Build, coreset, search and one image's latency on it and on the CPU.

``python -m bench.gpu`` uses the same real images, backbone and settings on both, in one process.
Scores of the two must agree within a stated tolerance. Without a CUDA device it says so and stops; with ``--toy``
it runs the device's code on the CPU at a small size instead, to prove that it works.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor

from app.errors import ImageRefused
from app.imaging.datasets import MvtecDataset
from app.imaging.folders import read_image
from app.learning.learn import image_files, learn
from bench.accuracy import RESNET50, ROOT
from bench.datasets import write_elpv
from bench.tables import machine, table
from core.bank import Bank
from core.config import DetectorConfig, InputConfig
from core.detector import detect
from core.features.patches import patch_features
from core.groups import by_photograph
from core.input.preprocess import to_tensor
from core.memory.coreset import greedy_coreset, on_device, random_projection
from core.search.exact import ExactSearch
from models.backbone import Backbone, load_backbone

SEED = 0
CPU = torch.device("cpu")
TOLERANCE = {"float32": 1e-3, "bfloat16": 0.05, "float16": 0.01}  # relative, of scores
T = TypeVar("T")


class Side(NamedTuple):
    """One side of the comparison. device: None for the CPU's own code."""

    name: str
    backbone: Backbone
    device: torch.device | None


def main() -> None:
    """Print the table; exits with 1 where scores differ, or where there is no device and no ``--toy``."""
    words = argparse.ArgumentParser(prog="python -m bench.gpu", description=__doc__)
    words.add_argument("--images", type=int, default=200, help="nominal images")
    words.add_argument("--precision", default="float32", help="on the device: float32, bfloat16 or float16")
    words.add_argument("--rounds", type=int, default=5)
    words.add_argument("--toy", action="store_true", help="a few small images; needs no device")
    options = words.parse_args()
    size = 256
    if options.toy:
        size, options.images, options.rounds = 64, 6, 1
    sides = _sides(options.precision, options.toy)
    paths = MvtecDataset(write_elpv(ROOT / "build" / "datasets" / "elpv-mono")).train_images()[
        : options.images
    ]
    config = DetectorConfig(input=InputConfig(size), target_false_reject=0.5)
    rows, banks = [], []
    for side in sides:
        side.backbone(torch.zeros(1, 3, size, size))  # compiles, allocates
        images = image_files(paths, _names(paths), config.input)
        seconds, bank = _timed(
            lambda side=side, images=images: (
                learn(images, side.backbone, config, groups=by_photograph(len(images))).bank
            )
        )
        rows.append(
            [
                side.name,
                side.backbone.precision,
                f"{seconds:.2f} s",
                *_stages(side, bank, paths, options.rounds),
            ]
        )
        banks.append(bank)
    print(f"{machine()}; {len(paths)} images of {size} pixels, {sides[0].backbone.spec.name}\n")
    print(
        table(
            ["on", "precision", "whole build", "coreset", "search of one image", "features and search"], rows
        )
    )
    off = np.abs(banks[1].calibration_scores / banks[0].calibration_scores - 1).max()
    allowed = TOLERANCE[sides[1].backbone.precision]
    print(f"\nLargest relative difference of a calibration score: {off:.1e}; allowed: {allowed:g}.")
    raise SystemExit(0 if off <= allowed else 1)


def _sides(precision: str, toy: bool) -> list[Side]:
    name = "resnet50" if RESNET50.exists() and not toy else "efficientnet-lite2"
    weights = RESNET50 if name == "resnet50" else None
    host = Side("CPU", load_backbone(name, weights, False), None)
    if torch.cuda.is_available():
        backbone = load_backbone(name, weights, False, "torch-cuda", precision=precision)
        return [host, Side(torch.cuda.get_device_name(), backbone, torch.device("cuda"))]
    print("There is no CUDA device here.")
    if not toy:
        raise SystemExit(1)
    print("The code of a device runs on the CPU instead, to prove that it works.")
    return [host, Side("a device's code on the CPU", load_backbone(name, weights, False, "torch"), CPU)]


def _stages(side: Side, bank: Bank, paths: Sequence[Path], rounds: int) -> list[str]:
    """Coreset of all patches, search of one image's, and one image from input to score."""
    inputs = [_input(path, bank) for path in paths]
    vectors = torch.cat([patch_features(side.backbone(x), bank.config.patch).vectors[0] for x in inputs])
    projection = random_projection(vectors.shape[1], bank.config.projection, _generator())
    points = vectors if projection is None else vectors @ projection.to(vectors.device)
    one, x = vectors[: len(vectors) // len(paths)], inputs[0]
    picks = len(bank.vectors)
    if side.device is None:
        coreset = lambda: greedy_coreset(points, picks, _generator())  # noqa: E731
        search = lambda: bank.index.search(one.numpy())  # noqa: E731
    else:
        found = ExactSearch(bank.vectors, side.device, sketched=False)
        coreset = lambda: on_device(points, picks, 0, lambda done, total: None, lambda: False)  # noqa: E731
        search = lambda: found.nearest(one, 1)  # noqa: E731
    whole = lambda: detect(x, side.backbone, bank)  # noqa: E731
    return [_median(coreset, 1), _median(search, rounds), _median(whole, rounds)]


def _input(path: Path, bank: Bank) -> Tensor:
    image = read_image(path)
    assert not isinstance(image, ImageRefused)
    return to_tensor(image, bank.config.input, bank.backbone.mean, bank.backbone.std)[None]


def _names(paths: Sequence[Path]) -> list[str]:
    return [path.name for path in paths]


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(SEED)


def _median(work: Callable[[], object], rounds: int) -> str:
    work()
    return f"{statistics.median(_timed(work)[0] for _ in range(rounds)) * 1e3:.1f} ms"


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    """Seconds until the result is on the host, which every work here waits for."""
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


if __name__ == "__main__":
    main()
