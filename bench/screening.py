"""Does a screening list the images that do not belong? Defects mixed into good images, and the list of suspects.

``python -m bench.screening`` mixes 8 % defects into the good images of each set at hand, three times with other seeds,
and counts how many of k defects are among the 2 k images listed first; and the processor seconds beside the features.
docs/accuracy.md keeps the table. ``--toy`` runs few images once; ``--only`` some sets; docs stay as they are.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.inspection.backbones import backbone_ref
from bench.accuracy import BACKBONES, RESNET50, in_float32
from bench.bursts import castings, read
from bench.datasets import spread
from bench.part_sets import at_hand
from bench.promise import Remembered
from bench.tables import ACCURACY, machine, replace_section, table
from core.build import Build
from core.config import DetectorConfig, InputConfig
from core.groups import Describer, Groups, by_parts
from core.input.photograph import Image, Photograph
from core.input.preprocess import to_tensor
from core.screening.screening import Screening, screen, screening_config
from models.backbone import Backbone

SHARE = 0.08  # defects per good image
SEEDS = 3
CASTINGS = "castings, drawn"
GOOD = 400  # images of a set at most, of whole parts
HEAD = (
    "set: good images, parts",
    "backbone",
    "defects mixed in",
    "found among twice as many",
    "of each seed",
    "CPU s per 1,000 images beside the features",
)


@dataclass(frozen=True, eq=False)
class Photographs:
    """Good images and defective ones, each with the part it shows."""

    name: str
    good: tuple[tuple[Image, str], ...]
    defective: tuple[tuple[Image, str], ...]


def main() -> None:
    words = argparse.ArgumentParser(prog="python -m bench.screening", description=__doc__)
    words.add_argument("--toy", action="store_true", help="few small images, one seed; docs stay as they are")
    words.add_argument("--only", default="", help="run only the sets whose name contains this")
    words.add_argument("--backbone", default="", help="run only the backbones whose name contains this")
    options = words.parse_args()
    most, size, seeds = (24, 128, 1) if options.toy else (GOOD, 256, SEEDS)
    config = screening_config(DetectorConfig(input=InputConfig(size)))
    names = BACKBONES if RESNET50.exists() and not options.toy else BACKBONES[1:]
    rows = []
    for backbone, of in itertools.product(map(in_float32, names), [*at_hand(), CASTINGS]):
        if options.only in of and options.backbone in backbone.spec.name:
            rows.append(_row(_photographs(of, most), backbone, config, seeds))
            print(" | ".join(rows[-1]), flush=True)
    chosen = f"python -m bench.screening --backbone {options.backbone}"
    command = chosen if options.backbone else "make bench-screening"
    text = f"{table(HEAD, rows)}\n\nMachine: {machine()}. Command: `{command}`."
    print(text)
    if not (options.toy or options.only):
        replace_section("screening", text, ACCURACY)


def _row(of: Photographs, backbone: Backbone, config: DetectorConfig, seeds: int) -> list[str]:
    count, extract = round(SHARE * len(of.good)), Remembered(backbone)
    found, seconds = [], []
    for seed in range(seeds):
        mixed, bad = _mixed(of, count, seed)
        screening, spent = _screened(mixed, backbone, extract, config)
        listed = [suspect.image for suspect in screening.suspects][: 2 * count]
        found.append(float(bad[listed].sum() / count))
        seconds.append(1000 * spent / len(mixed))
    return [
        f"{of.name}: {len(of.good)}, {len({part for _, part in of.good})}",
        backbone.spec.name,
        str(count),
        f"{np.mean(found):.0%}",
        ", ".join(f"{each:.0%}" for each in found),
        f"{np.median(seconds):.1f}",
    ]


def _mixed(of: Photographs, count: int, seed: int) -> tuple[list[tuple[Image, str]], np.ndarray]:
    """All good images and so many defective ones in random order, and which are defective."""
    rng = np.random.default_rng(seed)
    chosen = [of.defective[i] for i in rng.choice(len(of.defective), count, replace=False)]
    every, order = [*of.good, *chosen], rng.permutation(len(of.good) + count)
    return [every[i] for i in order], order >= len(of.good)


def _screened(
    mixed: Sequence[tuple[Image, str]], backbone: Backbone, extract: Remembered, config: DetectorConfig
) -> tuple[Screening, float]:
    """What a screening finds, and its processor seconds beside reading and features."""
    started: list[float] = []

    def progress(stage: str, done: int, total: int) -> None:
        if stage == "calibration" and not started:
            started.append(time.process_time())

    build = Build(extract, backbone_ref(backbone), config, progress=progress, offset=backbone.spec.offset)
    named = ((f"{i:05d}.png", Photograph(image)) for i, (image, _) in enumerate(mixed))
    parts: Groups = by_parts([part for _, part in mixed])
    found = screen(build, named, len(mixed), lambda: parts, SHARE / (1 + SHARE))
    after = time.process_time() - started[0]
    return found, after + _describing([image for image, _ in mixed], backbone, extract, config)


def _describing(
    images: Sequence[Image], backbone: Backbone, extract: Remembered, config: DetectorConfig
) -> float:
    """Processor seconds to keep of each image what near-duplicates are found by."""
    spec, describer = backbone.spec, Describer()
    inputs = [to_tensor(image.copy(), config.input, spec.mean, spec.std)[None] for image in images]
    features = [(x, extract(x)[-1]) for x in inputs]
    started = time.process_time()
    for x, last in features:
        describer.add(x, last)
    return time.process_time() - started


def _photographs(name: str, most: int) -> Photographs:
    if name == CASTINGS:
        drawn = [(image, str(part)) for part, image in castings(min(most, 160) + 20, 0)]
        rng = np.random.default_rng(0)
        pitted = tuple((_pitted(image, rng), part) for image, part in drawn[:20])
        return Photographs(name, tuple(drawn[20:]), pitted)
    good, defective = (sorted(files, key=lambda each: each[::-1]) for files in at_hand()[name]())
    parts = set(spread(sorted({part for _, part in good}), most))
    some = [each for each in good if each[1] in parts][:most]
    few = spread(defective, 2 * round(SHARE * len(some)) + 20)
    return Photographs(name, *(tuple((read(path), part) for path, part in each) for each in (some, few)))


def _pitted(image: Image, rng: np.random.Generator) -> Image:
    """A casting with a pit or a drop on its ring, 2 to 4 pixels wide, 25 grey levels off."""
    y, x = np.mgrid[: image.shape[0], : image.shape[1]] - (np.array(image.shape[:2]) - 1)[:, None, None] / 2
    angle, radius = rng.uniform(0, 2 * np.pi), rng.uniform(45, 100)
    squared = (y - radius * np.sin(angle)) ** 2 + (x - radius * np.cos(angle)) ** 2
    pit = 25 * rng.choice([-1, 1]) * np.exp(-squared / (2 * rng.uniform(2, 4) ** 2))
    return (image + pit[..., None]).clip(0, 255).astype(np.uint8)


if __name__ == "__main__":
    main()
