"""Does the advice help, and what does it cost? Settings given and advised, both judged by true defects.

``python -m bench.advice`` takes advice on the good photographs of each set, builds it with the default settings and
with those advised, and inspects its test images with both. It prints a table and writes it to docs/accuracy.md;
``--only SET`` prints some rows, ``--toy`` a small set, and both leave the page alone.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from app.errors import ImageRefused
from app.imaging.datasets import MvtecDataset
from app.imaging.folders import read_photograph
from app.inspection.engine import Engine
from app.learning.advising import Advising
from app.learning.learn import Hooks, image_files, learn
from app.learning.screening import file_sources
from bench.accuracy import OTHERWISE, ROOT, in_float32
from bench.datasets import SHARED, Few, write_apart, write_elpv
from bench.tables import ACCURACY, machine, replace_section, table
from bench.threads import Threads, write_threads
from core.advice.search import sizes_above
from core.config import DetectorConfig, InputConfig
from core.groups import by_photograph
from core.judging.calibration import supported_rate
from core.judging.conformal import hierarchical_threshold
from core.judging.groups import group_sizes
from core.metrics.evaluation import auroc
from models.backbone import Backbone
from nominal_client.folders import relative_names

WORK = ROOT / "build" / "datasets"
BACKBONE = "efficientnet-lite2"
RATE = 0.05
DEFAULT = DetectorConfig(target_false_reject=RATE)
TOY = replace(DEFAULT, input=InputConfig(64))
HEAD = (
    "set: photographs taught",
    "advised",
    "made defects found",
    "CPU time, of a plain build",
    "image AUROC",
    "true defects found",
    "good rejected",
)


@dataclass(frozen=True)
class Judged:
    """Of true test images: AUROC, shares of defects found and of good ones rejected."""

    auroc: float
    found: float
    rejected: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--only", default="", help="only sets whose name contains this; the page stays as it is"
    )
    parser.add_argument("--toy", action="store_true", help="one small set; the page stays as it is")
    arguments = parser.parse_args()
    backbone, rows = in_float32(BACKBONE), []
    config = TOY if arguments.toy else DEFAULT
    sets = (
        {"threads-toy": toy} if arguments.toy else {k: v for k, v in at_hand().items() if arguments.only in k}
    )
    for name, written in sets.items():
        rows.append(_row(name, written(), backbone, config))
        print(" | ".join(rows[-1]), flush=True)
    text = f"{table(HEAD, rows)}\n\nMachine: {machine()}. Command: `python -m bench.advice`."
    print(text)
    if not (arguments.only or arguments.toy):
        replace_section("advice", text, ACCURACY)


def at_hand() -> dict[str, Callable[[], Path]]:
    """What writes each set, by its name."""
    sets: dict[str, Callable[[], Path]] = {
        "threads, drawn": lambda: write_threads(WORK / "threads", Threads()),
        "elpv-mono": lambda: _cut(write_elpv(WORK / "elpv-mono")),
    }
    toys = SHARED / "data" / "toys"
    return sets | ({"toys": lambda: toys} if toys.is_dir() else {})


def toy() -> Path:
    """Threads small enough for a test: the drawn defects take three pixels of an input of 64."""
    return write_threads(WORK / "threads-toy", Threads(side=160, train=24, good=8, each=2))


def _cut(dataset: Path) -> Path:
    few = Few(parts=150, tests=100)
    return write_apart(dataset, WORK / f"{dataset.name}-{few.parts}-{few.tests}-0", 0, OTHERWISE, few)


def _row(name: str, folder: Path, backbone: Backbone, config: DetectorConfig) -> Sequence[str]:
    dataset = MvtecDataset(folder)
    train = dataset.train_images()
    sizes = {config.input.size, *_sizes(train[0], config)}
    _warm(backbone, sizes)
    plain, before = _built(dataset, backbone, config)
    advising = Advising(
        file_sources(train, relative_names(train, folder)),
        {BACKBONE: lambda: backbone},
        config,
        groups=by_photograph(len(train)),
    )
    started = time.process_time()
    advising.run()
    cost = time.process_time() - started
    advice = advising.advice
    assert advice is not None
    found = advice.to_json()
    after = before if advice.taken == 0 else _built(dataset, backbone, config.changed(advice.change))[1]
    first, taken = (found["trials"][number] for number in (0, advice.taken))
    return (
        f"{name}: {len(train)}",
        " ".join(found["options"]) or "as they are",
        f"{first['found']} -> {taken['found']} of {first['defects']}",
        f"{cost / plain:.1f} x",
        *(f"{a:.3f} -> {b:.3f}" for a, b in [(before.auroc, after.auroc)]),
        *(f"{a:.1%} -> {b:.1%}" for a, b in [(before.found, after.found), (before.rejected, after.rejected)]),
    )


def _sizes(photograph: Path, config: DetectorConfig) -> Iterator[int]:
    image = read_photograph(photograph, config.input)
    if isinstance(image, ImageRefused):
        raise image
    yield from sizes_above(config.input.size, image.shape)


def _warm(backbone: Backbone, sizes: set[int]) -> None:
    """A network is compiled once for each size: neither a build nor advice pays for it here."""
    for size in sizes:
        backbone(torch.zeros(4, 3, size, size))


def _built(dataset: MvtecDataset, backbone: Backbone, config: DetectorConfig) -> tuple[float, Judged]:
    """CPU seconds of a build, and what its bank makes of the tests."""
    train = dataset.train_images()
    files = image_files(train, relative_names(train, dataset.root), config.input)
    started = time.process_time()
    bank = learn(files, backbone, config, Hooks(any_rate=True), groups=by_photograph(len(files))).bank
    took = time.process_time() - started
    engine, tests = Engine(backbone, bank), dataset.test_images()
    images = [read_photograph(test.path, config.input) for test in tests]
    scores = np.array(
        [engine.inspect([image])[0].score for image in images if not isinstance(image, ImageRefused)]
    )
    defective = np.array([test.defective for test in tests])
    groups = bank.calibration_groups
    rate = max(RATE, np.ceil(1e4 * supported_rate(len(group_sizes(groups)))) / 1e4)
    above = scores > hierarchical_threshold(bank.calibration_scores, groups, rate)
    return took, Judged(
        auroc(scores.astype(np.float32), defective),
        float(above[defective].mean()),
        float(above[~defective].mean()),
    )


if __name__ == "__main__":
    main()
