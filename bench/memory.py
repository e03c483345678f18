"""Is a defect found again by its kind? Retrieval by each descriptor, and what reviewed kinds teach, on real defects.

``python -m bench.memory`` (``make bench-memory``) learns cuts of ``python -m bench.accuracy`` of a set whose defects
have kinds, describes every defective photograph in each way, and asks for others of its kind on other parts. It writes
docs/accuracy.md's table; ``--toy`` takes a few photographs and leaves the page alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import numpy as np
import torch
from jaxtyping import Float32

from app.errors import ImageRefused
from app.imaging.datasets import MvtecDataset
from app.imaging.folders import read_photograph
from app.learning.learn import image_files, learn
from bench.accuracy import ROOT, SEEDS, TAUGHT, in_float32
from bench.datasets import SHARED, Few, shown_parts, write_apart
from bench.tables import ACCURACY, machine, replace_section, table
from core.bank import Bank
from core.config import DetectorConfig
from core.features.patches import patch_features
from core.groups import by_photograph
from core.input.preprocess import to_tensor
from core.retrieval import (
    EXPANDED,
    KINDS,
    Kind,
    RetrievalQuality,
    describe,
    learn_projection,
    retrieval_quality,
    whitening_of,
)
from models.backbone import Backbone

BACKBONE = "efficientnet-lite2"
SET = "mtd"  # the set at hand whose defects have kinds and whose parts are known
TAUGHT_GOOD = Few(parts=150, tests=10_000)  # enough for a bank; every defect is asked
TOY = Few(parts=12, tests=3)
HEAD = ("descriptor", "mAP", "P@1", "mAP, whitened", "P@1", f"mAP, with {EXPANDED} nearest", "P@1")


@dataclass(frozen=True, eq=False)
class Defect:
    """A defective photograph: the patches and how far from the bank they are; what it is and which part it shows."""

    vectors: Float32[np.ndarray, "p d"]
    distances: Float32[np.ndarray, " p"]
    grid: tuple[int, int]
    kind: str
    part: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--toy", action="store_true", help="a few photographs; the page stays as it is")
    arguments = parser.parse_args()
    few, seeds = (TOY, SEEDS[:1]) if arguments.toy else (TAUGHT_GOOD, SEEDS)
    dataset = SHARED / "data" / SET
    if not dataset.is_dir():
        raise SystemExit(f"this bench needs the image set {SET} beside the checkout, in {SHARED / 'data'}")
    backbone = in_float32(BACKBONE)
    found: dict[str, list[list[RetrievalQuality]]] = {kind: [] for kind in KINDS}
    halves = []
    for seed in seeds:
        name = f"{SET}-memory-{few.parts}-{seed}"
        split = write_apart(dataset, ROOT / "build" / "datasets" / name, seed, TAUGHT[SET], few)
        bank, defects = _bank(split, backbone), []
        defects = [*_defects(split, backbone, bank)]
        for kind in KINDS:
            found[kind].append(_qualities(kind, defects, bank))
        halves.append(_halves(defects, bank, seed))
    rows = [
        [kind, *(f"{mean(values):.3f}" for values in _columns(of_seeds))] for kind, of_seeds in found.items()
    ]
    said = [
        table(HEAD, rows),
        "",
        *(_learnt(*half) for half in halves),
        "",
        f"{SET}: {len(defects)} defects of {len({each.kind for each in defects})} kinds on "
        f"{len({each.part for each in defects})} parts; means over seeds {', '.join(map(str, seeds))}. "
        f"Machine: {machine()}. Command: `make bench-memory`.",
    ]
    text = "\n".join(said)
    print(text)
    if not arguments.toy:
        replace_section("memory", text, ACCURACY)


def _bank(split: Path, backbone: Backbone) -> Bank:
    config = DetectorConfig(target_false_reject=0.1)
    paths = MvtecDataset(split).train_images()
    names = [path.name for path in paths]
    return learn(
        image_files(paths, names, config.input), backbone, config, groups=by_photograph(len(paths))
    ).bank


def _defects(split: Path, backbone: Backbone, bank: Bank) -> Iterator[Defect]:
    parts, config = shown_parts(split), bank.config
    for test in (each for each in MvtecDataset(split).test_images() if each.defective):
        image = read_photograph(test.path, config.input)
        if isinstance(image, ImageRefused):
            raise image
        pixels = to_tensor(image.pixels, config.input, backbone.spec.mean, backbone.spec.std)
        with torch.inference_mode():
            vectors, grid = patch_features(backbone(pixels[None]), config.patch)
        distances, _ = bank.index.search(vectors[0], 1)
        name = test.path.relative_to(split).as_posix()
        yield Defect(vectors[0].numpy(), distances[:, 0], grid, test.label, parts[name])


def _qualities(kind: Kind, defects: Sequence[Defect], bank: Bank) -> list[RetrievalQuality]:
    """Of plain descriptors, of whitened ones, and of these with queries expanded."""
    plain, white = _described(kind, defects), _described(kind, defects, bank)
    labels = np.asarray([each.kind for each in defects]), np.asarray([each.part for each in defects])
    return [
        retrieval_quality(plain, *labels),
        retrieval_quality(white, *labels),
        retrieval_quality(white, *labels, nearest=EXPANDED),
    ]


def _described(kind: Kind, defects: Sequence[Defect], bank: Bank | None = None) -> Float32[np.ndarray, "n d"]:
    whitening = None if bank is None else whitening_of(bank.vectors)
    return np.stack([describe(kind, each.vectors, each.distances, each.grid, whitening) for each in defects])


def _columns(of_seeds: Sequence[Sequence[RetrievalQuality]]) -> Iterator[list[float]]:
    for form in zip(*of_seeds, strict=True):
        yield [each.map for each in form]
        yield [each.precision_at_1 for each in form]


def _halves(
    defects: Sequence[Defect], bank: Bank, seed: int
) -> tuple[int, RetrievalQuality, RetrievalQuality | None]:
    """(seed, quality on the half of the parts that triplets do not see, the same with what they learnt)."""
    described = _described("worst", defects, bank)
    kinds, parts = np.asarray([each.kind for each in defects]), np.asarray([each.part for each in defects])
    order = np.random.default_rng(seed).permutation(np.unique(parts))
    taught = np.isin(parts, order[: len(order) // 2])
    rest = kinds[~taught], parts[~taught]
    learnt = learn_projection(described[taught], kinds[taught], parts[taught], seed)
    after = None if learnt is None else retrieval_quality(learnt(described[~taught]), *rest)
    return seed, retrieval_quality(described[~taught], *rest), after


def _learnt(seed: int, before: RetrievalQuality, after: RetrievalQuality | None) -> str:
    said = "they are not offered" if after is None else f"with triplets {after.map:.3f}"
    return f"- Half of the parts teach, seed {seed}: mAP on the other half {before.map:.3f}, {said}."


if __name__ == "__main__":
    main()
