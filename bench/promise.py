"""Does the threshold keep its promise on parts it never saw? Group-disjoint splits of sets whose parts are known.

``python -m bench.promise`` learns four fifths of a set's parts and scores the rest and the defects, ten times: two
seeded rounds of five folds, so that each part is unseen twice. At each asked rate it reports how many unseen good
parts are rejected and how many defects are found, beside the oracle: the threshold with just that rate on the unseen
good parts. docs/accuracy.md keeps the table. ``--toy`` runs few images; ``--only`` some sets; docs stay as they are.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from app.learning.learn import backbone_ref
from bench.accuracy import RESNET50
from bench.part_sets import PartSet, Sizes, part_sets
from bench.tables import ACCURACY, machine, replace_section, table
from core.bank import Bank
from core.build import Build
from core.config import DetectorConfig
from core.detector import detect
from core.errors import TooFewNominalImages
from core.input.photograph import Image, InputConfig
from core.input.preprocess import to_tensor
from core.judging.conformal import hierarchical_threshold, interval_over_parts
from core.judging.groups import as_groups, group_sizes
from models.backbone import Backbone, load_backbone

RATES = (0.01, 0.05, 0.1)
FOLDS = 5
SPLITS = 2 * FOLDS
FULL = Sizes(parts=190, shots=2, burst_parts=100, defects=100)
TOY = Sizes(parts=24, shots=1, burst_parts=24, defects=4)
HEAD = (
    "set: parts, photographs",
    "backbone",
    "asked",
    "n supports",
    "unseen good rejected",
    "95 % interval",
    "defects found",
    "oracle finds",
    "found / oracle",
)


@dataclass(frozen=True, eq=False)
class Outcome:
    """Of one split. taught: photographs learned; supported: the least rate.

    thresholds: by rate, None where the parts do not support it; good, defective: scores of the unseen, good ones with
    their parts.
    """

    taught: int
    supported: float
    thresholds: dict[float, float | None]
    good: Float[np.ndarray, " k"]
    parts: Int[np.ndarray, " k"]
    defective: Float[np.ndarray, " b"]

    def rejected(self, threshold: float) -> float:
        """Share of unseen good parts above it, a part counted by the share of its photographs."""
        return float((self._weights() * (self.good > threshold)).sum())

    def found(self, threshold: float) -> float:
        """Share of defects above it."""
        return float(np.mean(self.defective > threshold))

    def oracle(self, rate: float) -> float:
        """The lowest threshold that rejects at most this share of the unseen good parts."""
        order = np.argsort(-self.good, kind="stable")
        above = np.cumsum(self._weights()[order])
        allowed = int(np.searchsorted(above, rate + 1e-9, side="right"))
        return float(self.good[order[min(allowed, len(order) - 1)]])

    def _weights(self) -> np.ndarray:
        sizes = group_sizes(self.parts)
        return np.asarray(1 / (len(sizes) * sizes[self.parts]))


@dataclass(frozen=True, eq=False)
class Scored:
    """Scores of one split: held_out and groups (n,) of what was taught; good, parts, defective as of ``Outcome``."""

    held_out: Float[np.ndarray, " n"]
    groups: Int[np.ndarray, " n"]
    good: Float[np.ndarray, " k"]
    parts: Int[np.ndarray, " k"]
    defective: Float[np.ndarray, " b"]

    def outcome(self) -> Outcome:
        return Outcome(
            taught=len(self.groups),
            supported=1 / (1 + len(group_sizes(self.groups))),
            thresholds={rate: _threshold(self.held_out, self.groups, rate) for rate in RATES},
            good=self.good,
            parts=self.parts,
            defective=self.defective,
        )


@dataclass(frozen=True, eq=False)
class Split:
    """One bank, the images it was taught, and the scores of these and of others."""

    bank: Bank
    extract: Callable[[Tensor], list[Tensor]]
    taught: tuple[Image, ...]
    scored: Scored


class Remembered:
    """A backbone that computes each input once."""

    def __init__(self, backbone: Backbone) -> None:
        self._backbone = backbone
        self._maps: dict[bytes, list[Tensor]] = {}

    def __call__(self, batch: Tensor) -> list[Tensor]:
        each = [self._of(x) for x in batch]
        return [torch.stack(layer) for layer in zip(*each, strict=True)]

    def _of(self, x: Tensor) -> list[Tensor]:
        key = hashlib.blake2b(x.contiguous().numpy().data, digest_size=16).digest()
        if key not in self._maps:
            self._maps[key] = [layer[0].clone() for layer in self._backbone(x[None])]
        return self._maps[key]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--toy", action="store_true", help="few images, two splits; docs stay as they are")
    parser.add_argument(
        "--only", default="", help="only rows whose set and backbone contain this; docs stay as they are"
    )
    parser.add_argument(
        "--floor", type=int, help="min_bank_vectors instead of the default; docs stay as they are"
    )
    parser.add_argument(
        "--scores", type=Path, help="keep each set's scores in this folder, and take those that are there"
    )
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
    sizes, splits, size = (TOY, 2, 64) if arguments.toy else (FULL, SPLITS, 256)
    config = DetectorConfig(input=InputConfig(size), target_false_reject=RATES[-1])
    if arguments.floor is not None:
        config = replace(config, min_bank_vectors=arguments.floor)
    rows = []
    for name, open_backbone in backbones(arguments.toy).items():
        for of in part_sets(sizes):
            if arguments.only in f"{of.name} {name}":
                kept = arguments.scores and arguments.scores / f"{of.name}, {name}, {of.count}.npz"
                scored = _scored(lambda: splits_of(of, open_backbone(), config, splits), kept)  # noqa: B023
                rows += _rows(of, name, [each.outcome() for each in scored])
                print("\n".join(" | ".join(row) for row in rows[-len(RATES) :]), flush=True)
    text = f"{table(HEAD, rows)}\n\nMachine: {machine()}. Command: `make bench-promise`."
    print(text)
    if not (arguments.toy or arguments.only or arguments.floor is not None):
        replace_section("promise", text, ACCURACY)


def splits_of(of: PartSet, backbone: Backbone, config: DetectorConfig, splits: int) -> Iterator[Split]:
    """One after another."""
    shown = list(of.photographs())
    images, labels = tuple(image for image, _ in shown), [part for _, part in shown]
    groups = as_groups(np.array(labels))
    defects, extract = list(of.defects()), Remembered(backbone)
    folds = {seed: fold_of(groups, FOLDS, seed) for seed in range(-(-splits // FOLDS))}
    for split in range(splits):
        unseen = folds[split // FOLDS] == split % FOLDS
        yield _split(images, groups, unseen, defects, backbone, extract, config)


def fold_of(groups: Int[np.ndarray, " n"], folds: int, seed: int) -> Int[np.ndarray, " n"]:
    """A fold for each photograph: parts whole, at random, each to the fold with the fewest photographs so far."""
    sizes = group_sizes(groups)
    shuffled = np.random.default_rng(seed).permutation(len(sizes))
    held, fold = np.zeros(folds, np.int64), np.empty(len(sizes), np.int64)
    for part in shuffled[np.argsort(-sizes[shuffled], kind="stable")]:
        fold[part] = held.argmin()
        held[fold[part]] += sizes[part]
    return np.asarray(fold[groups])


def _split(
    images: tuple[Image, ...],
    groups: Int[np.ndarray, " n"],
    unseen: Bool[np.ndarray, " n"],
    defects: Sequence[Image],
    backbone: Backbone,
    extract: Callable[[Tensor], list[Tensor]],
    config: DetectorConfig,
) -> Split:
    rows = np.flatnonzero(~unseen).tolist()
    taught, known = tuple(images[i] for i in rows), as_groups(groups[rows])
    build = Build(extract, backbone_ref(backbone), config, offset=backbone.spec.offset)
    bank = build.run(((f"{i:05d}.png", image) for i, image in enumerate(taught)), len(taught), known)

    def scores(some: Iterable[Image]) -> np.ndarray:
        ref = bank.backbone
        inputs = (to_tensor(image, config.input, ref.mean, ref.std)[None] for image in some)
        return np.array([detect(x, extract, bank).scores[0] for x in inputs])

    good = scores(images[i] for i in np.flatnonzero(unseen).tolist())
    held_out, parts = bank.calibration_scores, as_groups(groups[unseen])
    return Split(bank, extract, taught, Scored(held_out, known, good, parts, scores(defects)))


def _scored(run: Callable[[], Iterator[Split]], kept: Path | None) -> list[Scored]:
    """The scores of each split; from the file ``kept`` where it is there, else written to it."""
    if kept is not None and kept.is_file():
        with np.load(kept) as arrays:
            count = 1 + max(int(name.split()[1]) for name in arrays)
            each = ({f.name: arrays[f"{f.name} {i}"] for f in fields(Scored)} for i in range(count))
            return [Scored(**values) for values in each]
    found = [split.scored for split in run()]
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        named = {f"{f.name} {i}": getattr(one, f.name) for i, one in enumerate(found) for f in fields(Scored)}
        np.savez(kept, **named)
    return found


def _threshold(scores: np.ndarray, groups: np.ndarray, rate: float) -> float | None:
    try:
        return hierarchical_threshold(scores, groups, rate)
    except TooFewNominalImages:
        return None


def _rows(of: PartSet, backbone: str, outcomes: Sequence[Outcome]) -> list[list[str]]:
    parts = len({part for _, part in of.good})
    photographs = outcomes[0].taught + len(outcomes[0].good)
    best = max(outcome.supported for outcome in outcomes)
    return [
        [
            f"{of.name}: {parts}, {photographs}",
            backbone,
            f"{rate:.0%}",
            f"{best:.1%}",
            *_cells(rate, parts, outcomes),
        ]
        for rate in RATES
    ]


class Means(NamedTuple):
    """Over splits: the share of unseen good parts rejected, and of defects found by the threshold and by the oracle."""

    rejected: float
    found: float
    oracle: float

    @classmethod
    def of(cls, rate: float, outcomes: Sequence[Outcome]) -> Means | None:
        """None where a split has too few parts for the rate."""
        known = [(outcome, outcome.thresholds[rate]) for outcome in outcomes]
        if any(threshold is None for _, threshold in known):
            return None
        return cls(
            float(np.mean([outcome.rejected(t) for outcome, t in known if t is not None])),
            float(np.mean([outcome.found(t) for outcome, t in known if t is not None])),
            float(np.mean([outcome.found(outcome.oracle(rate)) for outcome in outcomes])),
        )


def _cells(rate: float, parts: int, outcomes: Sequence[Outcome]) -> list[str]:
    means = Means.of(rate, outcomes)
    if means is None:
        return ["too few parts", "", "", "", ""]
    low, high = interval_over_parts(means.rejected * parts, parts)
    share = f"{means.found / means.oracle:.2f}" if means.oracle else "none to find"
    return [
        f"{means.rejected:.1%}",
        f"{low:.1%} to {high:.1%}",
        f"{means.found:.1%}",
        f"{means.oracle:.1%}",
        share,
    ]


def backbones(toy: bool) -> dict[str, Callable[[], Backbone]]:
    """What to load, by name; each once."""
    load = functools.partial(load_backbone, runtime="torch", precision="float32", allow_fetch=False)
    known: dict[str, Callable[[], Backbone]] = {
        "efficientnet-lite2": functools.cache(lambda: load("efficientnet-lite2"))
    }
    if RESNET50.exists() and not toy:
        known["resnet50"] = functools.cache(lambda: load("resnet50", weights=Path(RESNET50)))
    return known


if __name__ == "__main__":
    main()
