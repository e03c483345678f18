"""What does a build cost per image, and how does that grow? Real solar cells, turned, mirrored, shifted and dimmed.

Each size is built in a process of its own from files on disk; stages, peak memory and the growth from one size to the
next go into the table of docs/performance.md. Growth is the exponent e of time ~ images^e: 1 is a flat cost per
image. The bank's bound lies within the sizes, to see the growth on either side of it. The default takes about
twenty minutes; ``--toy`` builds a few small images and leaves the table alone.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from app.learning.learn import Hooks, image_files, learn
from app.ops.process import quiet_blas
from bench.accuracy import RESNET50, ROOT
from bench.datasets import elpv_split
from bench.peers.worker import peak_mb
from bench.stages import Stages
from bench.tables import PERFORMANCE, machine, replace_section, table
from core.config import DetectorConfig, InputConfig
from core.groups import by_photograph
from models.backbone import load_backbone

IMAGES, SIZE, BOUND = (1_000, 5_000, 20_000), 128, 5_000
STAGES = ("features", "coreset", "index", "calibration")
RATE = 0.2  # of good parts rejected: a handful of images supports it
WARM_UP = 8  # images of a build before the one that counts


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.build", description=__doc__)
    parser.add_argument("--images", type=int, nargs="+", default=IMAGES)
    parser.add_argument("--backbone", default="efficientnet-lite2")
    parser.add_argument("--size", type=int, default=SIZE, help="pixels a side")
    parser.add_argument("--bound", type=int, default=BOUND, help="vectors of a bank at most")
    parser.add_argument("--toy", action="store_true", help="a few small images; the table stays as it is")
    parser.add_argument("--of", type=Path, help=argparse.SUPPRESS)  # the process of one size
    options = parser.parse_args()
    if options.of:
        print(json.dumps(_build(options.of, options)))
        return
    if options.toy:
        options.images, options.size = [8, 16], 64
    found = [_measured(count, options) for count in sorted(options.images)]
    text = described(found, options, sys.argv[1:])
    print(text)
    if not options.toy:
        replace_section("build", text, PERFORMANCE)


def _measured(count: int, options: argparse.Namespace) -> dict[str, Any]:
    print(f"{count:,} images ...", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(prefix="nominal-build-") as folder:
        write_images(Path(folder), count)
        words = [sys.executable, "-m", "bench.build", "--of", folder]
        words += ["--backbone", options.backbone, "--size", str(options.size), "--bound", str(options.bound)]
        done = subprocess.run(words, check=True, stdout=subprocess.PIPE, cwd=ROOT, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def write_images(folder: Path, count: int, seed: int = 0) -> None:
    """PNG files of the package's nominal cells, each time round in another position and light."""
    cells = [np.asarray(Image.open(path).convert("L")) for path in elpv_split().train]
    rng = np.random.default_rng(seed)
    for number in range(count):
        cell = cells[number % len(cells)]
        if number >= len(cells):
            cell = _varied(cell, rng)
        Image.fromarray(cell).save(folder / f"{number:06}.png", compress_level=1)


def _varied(cell: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    turned = np.rot90(cell if rng.random() < 0.5 else cell[:, ::-1], rng.integers(4))
    moved = np.roll(turned, rng.integers(-4, 5, 2), (0, 1))
    return np.clip(moved * rng.uniform(0.9, 1.1), 0, 255).astype(np.uint8)


def _build(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Seconds of each stage and of all, the bank's vectors, the peak memory of this process."""
    quiet_blas()
    weights = RESNET50 if options.backbone == "resnet50" and RESNET50.exists() else None
    backbone = load_backbone(options.backbone, weights, allow_fetch=False)
    config = DetectorConfig(
        input=InputConfig(options.size),
        max_bank_vectors=options.bound,
        min_bank_vectors=0,
        target_false_reject=RATE,
    )
    paths = sorted(folder.iterdir())
    images = image_files(paths, [path.name for path in paths], config.input)
    names = [path.name for path in paths]
    learn(images[:WARM_UP], backbone, config, groups=by_photograph(len(names[:WARM_UP])))
    stages, started = Stages(), time.perf_counter()
    built = learn(images, backbone, config, Hooks(stages.advance), groups=by_photograph(len(names)))
    seconds = time.perf_counter() - started
    return {
        "images": len(paths),
        "vectors": len(built.bank.vectors),
        "all": seconds,
        "peak_mb": peak_mb(),
        **{stage: stages.seconds.get(stage, 0.0) for stage in STAGES},
    }


def described(found: Sequence[dict[str, Any]], options: argparse.Namespace, words: Sequence[str]) -> str:
    """One row a size, with the exponents of growth since the row before."""
    head = [
        "images",
        "bank",
        *(f"{stage} s" for stage in STAGES),
        "all s",
        "ms per image",
        "peak MB",
        "growth",
    ]
    rows = [_row(run, before) for run, before in zip(found, [None, *found], strict=False)]
    how = (
        f"{options.backbone}, {options.size} x {options.size} input, coreset 1 % of all patches, at most "
        f"{options.bound:,}. Growth: exponent of the time, of all stages and of the "
        "coreset, since the row above; 1 is a flat cost per image."
    )
    command = " ".join(("python -m bench.build", *words)) if words else "make bench-build"
    return f"{table(head, rows)}\n\n{how}\n\nMachine: {machine()}. Command: `{command}`."


def _row(run: dict[str, Any], before: dict[str, Any] | None) -> list[str]:
    growth = " / ".join(f"{exponent(before, run, key):.2f}" for key in ("all", "coreset")) if before else "-"
    return [
        f"{run['images']:,}",
        f"{run['vectors']:,}",
        *(f"{run[stage]:.1f}" for stage in STAGES),
        f"{run['all']:.1f}",
        f"{1e3 * run['all'] / run['images']:.1f}",
        f"{run['peak_mb']:.0f}",
        growth,
    ]


def exponent(before: dict[str, Any], after: dict[str, Any], key: str) -> float:
    """e of ``key`` ~ images^e between two runs."""
    return math.log(after[key] / before[key]) / math.log(after["images"] / before["images"])


if __name__ == "__main__":
    main()
