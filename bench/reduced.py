"""What would decoding JPEG at a reduced scale save, and what would it change? libjpeg's draft mode against the whole.

Real solar cells as photographs of 2,048 pixels with camera noise, JPEG of quality 90, inspected at 256 pixels. A small
one keeps at least ``gap`` times the input's pixels a side, so that the antialiased resize still has a choice. The
table gives decoding and resizing together, how far an input sample moves at most, and how far a score does. ``--toy``
does it once with smaller ones.
"""

from __future__ import annotations

import argparse
import io
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from app.builds import build_bank
from app.images import decode_image
from bench.datasets import elpv_split
from bench.tables import machine, table
from core.config import DetectorConfig
from core.detector import detect
from core.preprocess import InputConfig, to_tensor
from models.backbone import load_backbone

GAPS = (2, 3, 4, 6)
NOISE, QUALITY, RATE = 3.0, 90, 0.2


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.reduced", description=__doc__)
    parser.add_argument("--images", type=int, default=24, help="tested; as many make the bank")
    parser.add_argument("--toy", action="store_true", help="a few smaller ones")
    options = parser.parse_args()
    count, side, size = (5, 512, 64) if options.toy else (options.images, 2048, 256)
    split = elpv_split()
    backbone = load_backbone("efficientnet-lite2", allow_fetch=False)
    config = DetectorConfig(input=InputConfig(size), coreset_ratio=0.05, target_false_reject=RATE)
    with tempfile.TemporaryDirectory(prefix="nominal-reduced-") as folder:
        paths = [_photograph(path, side, i, Path(folder)) for i, path in enumerate(split.train[:count])]
        bank = build_bank(paths, [path.name for path in paths], backbone, config).bank
    tested = [_jpeg(path, side, i) for i, path in enumerate((split.test_good + split.defective)[::7][:count])]

    def inputs(decode: Callable[[bytes], np.ndarray]) -> tuple[float, torch.Tensor]:
        """Median milliseconds from bytes to input, and the inputs (n, 3, size, size)."""
        made, taken = [], []
        for data in tested:
            started = time.perf_counter()
            made.append(to_tensor(decode(data), config.input, backbone.spec.mean, backbone.spec.std))
            taken.append(1e3 * (time.perf_counter() - started))
        return statistics.median(taken), torch.stack(made)

    def scores(batch: torch.Tensor) -> np.ndarray:
        return np.array([float(detect(x[None], backbone, bank).scores[0]) for x in batch])

    milliseconds, whole = inputs(decode_image)
    expected, levels = scores(whole), 255 * torch.tensor(backbone.spec.std)[:, None, None]
    rows = [["whole", f"{milliseconds:.1f}", "-", "-"]]
    for gap in GAPS:
        milliseconds, found = inputs(lambda data, gap=gap: _reduced(data, gap * size))  # type: ignore[misc]
        moved = float(((found - whole) * levels).abs().max())
        off = float((np.abs(scores(found) - expected) / expected).max())
        rows.append([f"reduced, gap {gap}", f"{milliseconds:.1f}", f"{moved:.0f} of 255", f"{off:.2%}"])
    print(f"{machine()}; {count} photographs of {side} pixels\n")
    print(table(["JPEG", "decode and resize, ms", "a sample moves by", "a score moves by"], rows))


def _reduced(data: bytes, side: int) -> np.ndarray:
    """The smallest that libjpeg decodes at once with ``side`` pixels or more."""
    with Image.open(io.BytesIO(data)) as image:
        image.draft("RGB", (side, side))
        return np.array(image)


def _jpeg(path: Path, side: int, seed: int) -> bytes:
    cell = Image.open(path).convert("RGB").resize((side, side), Image.Resampling.BICUBIC)
    noise = np.random.default_rng(seed).normal(0, NOISE, (side, side, 3))
    file = io.BytesIO()
    Image.fromarray((np.asarray(cell) + noise).clip(0, 255).astype(np.uint8)).save(
        file, "JPEG", quality=QUALITY
    )
    return file.getvalue()


def _photograph(path: Path, side: int, seed: int, folder: Path) -> Path:
    photograph = folder / f"{seed:03}.jpg"
    photograph.write_bytes(_jpeg(path, side, seed))
    return photograph


if __name__ == "__main__":
    main()
