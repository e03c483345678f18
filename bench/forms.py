"""Which held-out scores are like those of unseen parts? Three forms on the splits of ``bench.promise``.

``python -m bench.forms`` compares, on the same banks: a part's own vectors left out (holes), the picks that greedy
would have made put in their place (substitutes: what a build does), and five folds of parts, each against a coreset
of the others at the same ratio. For each rate it prints the share of unseen good parts rejected and, of the defects
that the oracle finds, the share found; then the median held-out score over that of unseen good parts, and seconds.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float32

from bench.part_sets import part_sets
from bench.promise import (
    FOLDS,
    FULL,
    RATES,
    SPLITS,
    TOY,
    Means,
    Outcome,
    Split,
    backbones,
    fold_of,
    splits_of,
)
from bench.tables import machine, table
from core.bank import Bank
from core.config import DetectorConfig
from core.features.patches import patch_features
from core.input.photograph import InputConfig
from core.input.preprocess import to_tensor
from core.memory.coreset import greedy_coreset, random_projection
from core.search import Index

HEAD = (
    "set",
    "backbone",
    "form",
    *(f"{rate:.0%}: rejected, found / oracle" for rate in RATES),
    "median",
    "s",
)

Vectors = Float32[np.ndarray, "n p d"]


@dataclass(frozen=True, eq=False)
class Seen:
    """ratio: the median held-out score over that of unseen good photographs. seconds: that the scores took."""

    outcome: Outcome
    ratio: float
    seconds: float


def main() -> None:
    """Print one row for each set, backbone and form."""
    parser = argparse.ArgumentParser(prog="python -m bench.forms", description=__doc__)
    parser.add_argument("--toy", action="store_true", help="few images, two splits")
    parser.add_argument("--only", default="", help="only rows whose set and backbone contain this")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
    sizes, splits, size = (TOY, 2, 64) if options.toy else (FULL, SPLITS, 256)
    config = DetectorConfig(input=InputConfig(size), target_false_reject=RATES[-1])
    rows: list[list[str]] = []
    for name, open_backbone in backbones(options.toy).items():
        for of in part_sets(sizes):
            if options.only in f"{of.name} {name}":
                found = _by_form(splits_of(of, open_backbone(), config, splits))
                rows += [[of.name, name, form, *_cells(seen)] for form, seen in found.items()]
                print("\n".join(" | ".join(row) for row in rows[-len(FORMS) :]), flush=True)
    print(f"{table(HEAD, rows)}\n\nMachine: {machine()}. Command: `python -m bench.forms`.")


def holes(split: Split, vectors: Vectors) -> Float32[np.ndarray, " n"]:
    """Each image against the bank without its part's vectors."""
    bank, groups = split.bank, split.scored.groups
    image = bank.provenance.image
    own = [np.flatnonzero(groups[image] == part) for part in range(groups.max() + 1)]
    each = (bank.index.nearest_excluding(v, own[part])[0] for v, part in zip(vectors, groups, strict=True))
    return np.array([distances.max() for distances in each], np.float32)


def substitutes(split: Split, vectors: Vectors) -> Float32[np.ndarray, " n"]:
    """What the build itself scored."""
    return split.bank.calibration_scores


def folds(split: Split, vectors: Vectors) -> Float32[np.ndarray, " n"]:
    """Each image against a coreset of the parts of the other folds."""
    fold = fold_of(split.scored.groups, FOLDS, split.bank.config.seed)
    scores = np.empty(len(vectors), np.float32)
    for held in range(FOLDS):
        index = _coreset_of(vectors[fold != held], split.bank)
        for i in np.flatnonzero(fold == held):
            scores[i] = index.search(vectors[i], 1)[0].max()
    return scores


FORMS: dict[str, Callable[[Split, Vectors], np.ndarray]] = {
    "holes": holes,
    "substitutes": substitutes,
    "folds": folds,
}


def _by_form(splits: Iterable[Split]) -> dict[str, list[Seen]]:
    found: dict[str, list[Seen]] = {form: [] for form in FORMS}
    for split in splits:
        vectors = _vectors(split)
        for form, score in FORMS.items():
            started = time.perf_counter()
            scores = score(split, vectors)
            seconds = time.perf_counter() - started
            ratio = float(np.median(scores) / np.median(split.scored.good))
            found[form].append(Seen(replace(split.scored, held_out=scores).outcome(), ratio, seconds))
    return found


def _vectors(split: Split) -> Vectors:
    config, ref = split.bank.config, split.bank.backbone
    inputs = (to_tensor(image, config.input, ref.mean, ref.std)[None] for image in split.taught)
    each = [patch_features(split.extract(x), config.patch).vectors[0] for x in inputs]
    return torch.stack(each).numpy()


def _cells(seen: list[Seen]) -> list[str]:
    outcomes = [each.outcome for each in seen]
    median, seconds = (
        float(np.mean([getattr(each, name) for each in seen])) for name in ("ratio", "seconds")
    )
    return [*(_kept(rate, outcomes) for rate in RATES), f"{median:.3f}", f"{seconds:.1f}"]


def _kept(rate: float, outcomes: list[Outcome]) -> str:
    means = Means.of(rate, outcomes)
    if means is None:
        return "too few parts"
    return f"{means.rejected:.1%}, {means.found:.1%} / {means.oracle:.1%}"


def _coreset_of(vectors: Vectors, bank: Bank) -> Index:
    config, rows = bank.config, vectors.reshape(-1, vectors.shape[-1])
    generator = torch.Generator().manual_seed(config.seed)
    d = rows.shape[1]
    width = config.projection if d >= 2 * config.projection else d
    projection = random_projection(d, width, generator)
    points = torch.from_numpy(rows)
    points = points if projection is None else points @ projection
    kept = round(bank.index.size * len(vectors) / len(bank.provenance.images))
    return Index.build(rows[greedy_coreset(points, kept, generator).indices])


if __name__ == "__main__":
    main()
