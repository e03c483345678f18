"""Whether a setting finds more than another on the same images, clearly more than chance makes of them.

Both are judged at the threshold that their own held-out scores give for the asked rate. Parts are drawn again with
replacement (Efron and Tibshirani 1993, chapter 13), for both settings alike: threshold, share found and AUROC of each
draw give the differences' intervals, in which the thresholds' own uncertainty is contained. Counts of defects that only
one setting finds give McNemar's exact test (1947).
Letters: c held-out nominal images, n defects, g parts.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from core.judging.calibration import supported_rate
from core.judging.conformal import hierarchical_threshold
from core.judging.groups import as_groups
from core.metrics.evaluation import auroc

DRAWS = 300
LEVEL = (
    0.98  # of an interval: several settings are compared, so that 0.95 would advise one by chance too often
)
LEAST_FOUND, LEAST_AUROC = 0.03, 0.01  # smaller gains are not worth another setting, however certain
SLACK = 0.005  # of AUROC, that a setting which finds clearly more may lose


@dataclass(frozen=True, eq=False)
class Judged:
    """clean, clean_parts (c,): scores of held-out nominal images and their parts. defects, defect_parts (n,), kinds,
    sizes: of each defect, its size as a share of the shorter side, 0 where that is not known."""

    clean: Float64[np.ndarray, " c"]
    clean_parts: Int64[np.ndarray, " c"]
    defects: Float64[np.ndarray, " n"]
    defect_parts: Int64[np.ndarray, " n"]
    kinds: tuple[str, ...]
    sizes: tuple[float, ...]

    @classmethod
    def of(
        cls, clean: Sequence[tuple[float, int]], defects: Sequence[tuple[float, int, str, float]]
    ) -> Judged:
        """Of (score, part) and (score, part, kind, size)."""
        scores, parts = zip(*clean, strict=True)
        found, shown, kinds, sizes = zip(*defects, strict=True)
        return cls(np.array(scores), np.array(parts), np.array(found), np.array(shown), kinds, sizes)

    def rate(self, asked: float) -> float:
        """The asked false-reject rate, or the least that so many parts support, in whole hundredths of a per cent."""
        return max(asked, math.ceil(1e4 * supported_rate(len(np.unique(self.clean_parts)))) / 1e4)

    def threshold(self, asked: float) -> float:
        """Of an image score, at ``rate``."""
        return hierarchical_threshold(self.clean, as_groups(self.clean_parts), self.rate(asked))

    @property
    def auroc(self) -> float:
        """Of defects against held-out nominal images."""
        labels = np.arange(len(self.clean) + len(self.defects)) >= len(self.clean)
        return auroc(np.concatenate([self.clean, self.defects]), labels)

    @property
    def spread(self) -> float:
        """Standard deviation of the held-out scores, relative to their mean; 0 where all are 0."""
        mean = float(self.clean.mean())
        return float(self.clean.std()) / mean if mean > 0 else 0.0

    def found(self, asked: float) -> np.ndarray:
        """Which defects (n,) score above the threshold."""
        return self.defects > self.threshold(asked)

    def tallies(self, asked: float) -> dict[str, dict[str, dict[str, int]]]:
        """Found and made by kind and, where they are known, by size."""
        hits = self.found(asked)
        sizes = [f"{100 * size:g} %" for size in self.sizes] if any(self.sizes) else []
        return {"kinds": _tally(self.kinds, hits), "sizes": _tally(sizes, hits)}


@dataclass(frozen=True)
class Gain:
    """What a setting finds more than another. found, auroc: differences, with the ends of their intervals at LEVEL.

    only_new, only_old: defects that one of both finds; p: chance of so uneven counts or more uneven ones.
    """

    found: float
    found_low: float
    found_high: float
    auroc: float
    auroc_low: float
    auroc_high: float
    only_new: int
    only_old: int
    p: float

    @property
    def clear(self) -> bool:
        """Whether it is more than chance, and enough to be worth a change."""
        finds = self.found_low > 0 and self.found >= LEAST_FOUND and self.auroc >= -SLACK
        ranks = self.auroc_low > 0 and self.auroc >= LEAST_AUROC and self.found >= 0
        return finds or ranks

    @property
    def worse(self) -> bool:
        """Whether it clearly loses."""
        return self.found_high < 0 or self.auroc_high < 0

    def to_json(self) -> dict[str, Any]:
        """With its verdict."""
        return asdict(self) | {"clear": self.clear}


def gain(old: Judged, new: Judged, asked: float, seed: int) -> Gain:
    """Of two settings judged on the same images, in one order."""
    before, after = old.found(asked), new.found(asked)
    only_new, only_old = int((after & ~before).sum()), int((before & ~after).sum())
    rng = np.random.default_rng(seed)
    parts = np.union1d(old.clean_parts, old.defect_parts)
    clean = [np.flatnonzero(old.clean_parts == part) for part in parts]
    defects = [np.flatnonzero(old.defect_parts == part) for part in parts]
    drawn = []
    for _ in range(DRAWS):
        chosen = rng.integers(len(parts), size=len(parts)).tolist()
        c, n = (np.concatenate([each[i] for i in chosen]) for each in (clean, defects))
        if len(c) and len(n):
            drawn.append(np.subtract(_measured(new, c, n, asked), _measured(old, c, n, asked)))
    ends = (
        np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
        if drawn
        else np.array([[-1, -1], [1, 1]])
    )
    found = float(after.mean() - before.mean())
    (found_low, auroc_low), (found_high, auroc_high) = np.asarray(ends, float).tolist()
    return Gain(
        found,
        found_low,
        found_high,
        new.auroc - old.auroc,
        auroc_low,
        auroc_high,
        only_new,
        only_old,
        sign_test(only_new, only_old),
    )


def sign_test(a: int, b: int) -> float:
    """McNemar's exact test: the chance that a fair coin divides a + b as unevenly as a to b, or more so."""
    n, least = a + b, min(a, b)
    return min(1.0, 2 * sum(math.comb(n, i) for i in range(least + 1)) / 2**n) if n else 1.0


def _measured(judged: Judged, c: np.ndarray, n: np.ndarray, asked: float) -> tuple[float, float]:
    """(share found, AUROC) of a draw."""
    clean, defects = np.sort(judged.clean[c]), judged.defects[n]
    rank = min(len(clean), math.ceil((len(clean) + 1) * (1 - judged.rate(asked)) - 1e-9))
    beaten = np.searchsorted(clean, defects, "left") + np.searchsorted(clean, defects, "right")
    return float((defects > clean[rank - 1]).mean()), float(beaten.mean() / (2 * len(clean)))


def _tally(names: Sequence[str], hits: np.ndarray) -> dict[str, dict[str, int]]:
    of, found = Counter(names), Counter(name for name, hit in zip(names, hits, strict=False) if hit)
    return {name: {"found": found[name], "of": of[name]} for name in sorted(of)}
