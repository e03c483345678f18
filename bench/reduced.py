"""What does decoding large JPEG at a fraction of its scale save, and what does it change?

Real solar cells as photographs with camera noise, JPEG of quality 90, inspected at 256 pixels: decoding and resizing
together; how far an input sample moves, and the score of a bank that learnt them whole; image AUROC of a bank that
learnt them whole and scores them whole, and of one that does both reduced. ``--toy`` does it once with small ones.
"""

from __future__ import annotations

import argparse
import io
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from app.imaging.decode import decode_photograph
from app.learning.learn import image_files, learn
from bench.datasets import elpv_split, spread
from bench.tables import machine, table
from core.bank import Bank
from core.config import DetectorConfig, InputConfig
from core.detector import conformance_scores
from core.groups import by_photograph
from core.input.photograph import Photograph
from core.input.preprocess import to_tensor
from core.metrics.evaluation import auroc
from models.backbone import Backbone, load_backbone

NOISE, QUALITY, RATE = 3.0, 90, 0.2
HEAD = (
    "photographs", "decode and resize whole, ms", "reduced", "ms", "a sample moves by", "a score moves by",
    "AUROC whole", "AUROC reduced",
)  # fmt: skip


class Photographs(NamedTuple):
    """JPEG files of one size: good ones to learn, and good and defective ones to score."""

    side: int
    learnt: list[bytes]
    scored: list[bytes]
    defective: list[bool]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.reduced", description=__doc__)
    parser.add_argument("--images", type=int, default=40, help="learnt, and as many of each kind scored")
    parser.add_argument("--toy", action="store_true", help="a few smaller ones")
    options = parser.parse_args()
    count, sides, size = (5, (256,), 64) if options.toy else (options.images, (1024, 2048, 3072), 256)
    backbone = load_backbone("efficientnet-lite2", allow_fetch=False)
    rows = [list(_row(photographs, size, backbone)) for photographs in _photographs(count, sides)]
    print(f"{machine()}; {count} learnt, {2 * count} scored\n")
    print(table(HEAD, rows))


def _row(photographs: Photographs, size: int, backbone: Backbone) -> Iterator[str]:
    inputs = {name: InputConfig(size, reduced_jpeg=name == "reduced") for name in ("whole", "reduced")}
    banks = {name: _bank(photographs.learnt, backbone, config) for name, config in inputs.items()}
    seen = {
        name: [decode_photograph(file, config) for file in photographs.scored]
        for name, config in inputs.items()
    }
    levels = 255 * np.asarray(backbone.spec.std, np.float32)[:, None, None]
    moved = max(
        float(np.abs(levels * (_input(a, backbone, size) - _input(b, backbone, size))).max())
        for a, b in zip(seen["whole"], seen["reduced"], strict=True)
    )
    whole, mixed, reduced = (
        conformance_scores([photograph.pixels for photograph in seen[scored]], backbone, banks[learnt])
        for learnt, scored in (("whole", "whole"), ("whole", "reduced"), ("reduced", "reduced"))
    )
    yield f"{photographs.side} x {photographs.side}"
    yield f"{_milliseconds(photographs.scored, inputs['whole'], backbone):.1f}"
    yield f"1 / {seen['reduced'][0].reduced}"
    yield f"{_milliseconds(photographs.scored, inputs['reduced'], backbone):.1f}"
    yield f"{moved:.0f} of 255"
    yield f"{np.max(np.abs(mixed - whole) / whole):.2%}"
    for scores in (whole, reduced):
        yield f"{auroc(scores, np.asarray(photographs.defective)):.3f}"


def _bank(files: list[bytes], backbone: Backbone, config: InputConfig) -> Bank:
    settings = DetectorConfig(input=config, coreset_ratio=0.05, target_false_reject=RATE)
    with tempfile.TemporaryDirectory(prefix="nominal-reduced-") as folder:
        paths = [Path(folder) / f"{i:03}.jpg" for i in range(len(files))]
        for path, file in zip(paths, files, strict=True):
            path.write_bytes(file)
        images = image_files(paths, [path.name for path in paths], settings.input)
        return learn(images, backbone, settings, groups=by_photograph(len(images))).bank


def _milliseconds(files: list[bytes], config: InputConfig, backbone: Backbone) -> float:
    """Median of one image, from its bytes to the backbone's input."""
    taken = []
    for file in files:
        started = time.perf_counter()
        to_tensor(decode_photograph(file, config).pixels, config, backbone.spec.mean, backbone.spec.std)
        taken.append(1e3 * (time.perf_counter() - started))
    return statistics.median(taken)


def _input(photograph: Photograph, backbone: Backbone, size: int) -> np.ndarray:
    return to_tensor(photograph.pixels, InputConfig(size), backbone.spec.mean, backbone.spec.std).numpy()


def _photographs(count: int, sides: tuple[int, ...]) -> Iterator[Photographs]:
    split = elpv_split()
    learnt, good, bad = (spread(paths, count) for paths in (split.train, split.test_good, split.defective))
    for side in sides:
        files = [_jpeg(path, side, i) for i, path in enumerate([*learnt, *good, *bad])]
        yield Photographs(side, files[:count], files[count:], [False] * len(good) + [True] * len(bad))


def _jpeg(path: Path, side: int, seed: int) -> bytes:
    cell = Image.open(path).convert("RGB").resize((side, side), Image.Resampling.BICUBIC)
    noise = np.random.default_rng(seed).normal(0, NOISE, (side, side, 3))
    file = io.BytesIO()
    Image.fromarray((np.asarray(cell) + noise).clip(0, 255).astype(np.uint8)).save(
        file, "JPEG", quality=QUALITY
    )
    return file.getvalue()


if __name__ == "__main__":
    main()
