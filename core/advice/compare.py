"""Whether a setting finds more than another on the same images, clearly more than chance makes of them.

Both are judged at the threshold that their own held-out scores give for the asked rate. One threshold of few scores is
uncertain; so the share found is also averaged over those of all rates up to EARLY, the partial area under the ROC curve
(McClish 1989). Parts are drawn again with replacement (Efron and Tibshirani 1993, chapter 13), for both settings alike:
the thresholds and shares of each draw give the differences' intervals. Counts of defects that only one setting finds
give McNemar's exact test (1947).
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
LEAST = 0.03  # of the share found: smaller gains are not worth another setting, however certain
EARLY = 0.2  # false-reject rate, up to which shares found are averaged


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
    """What a setting finds more than another. found: difference of the shares found; early: the same, averaged over the
    rates up to EARLY; both with the ends of their intervals at LEVEL. auroc: difference.

    only_new, only_old: defects that one of both finds; p: chance of so uneven counts or more uneven ones.
    """

    found: float
    found_low: float
    found_high: float
    early: float
    early_low: float
    early_high: float
    auroc: float
    only_new: int
    only_old: int
    p: float

    @property
    def clear(self) -> bool:
        """Whether it is more than chance, and enough to be worth a change."""
        at_rate = self.found_low > 0 and self.found >= LEAST and self.early >= 0
        around = self.early_low > 0 and self.early >= LEAST and self.found >= 0
        return at_rate or around

    @property
    def worse(self) -> bool:
        """Whether it clearly loses."""
        return self.found_high < 0 or self.early_high < 0

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
    ends = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0) if drawn else [[-1, -1], [1, 1]]
    (found_low, early_low), (found_high, early_high) = np.asarray(ends, float).tolist()
    whole = np.arange(len(old.clean)), np.arange(len(old.defects)), asked
    early = _measured(new, *whole)[1] - _measured(old, *whole)[1]
    return Gain(
        float(after.mean() - before.mean()),
        found_low,
        found_high,
        early,
        early_low,
        early_high,
        new.auroc - old.auroc,
        only_new,
        only_old,
        sign_test(only_new, only_old),
    )


def sign_test(a: int, b: int) -> float:
    """McNemar's exact test: the chance that a fair coin divides a + b as unevenly as a to b, or more so."""
    n, least = a + b, min(a, b)
    return min(1.0, 2 * sum(math.comb(n, i) for i in range(least + 1)) / 2**n) if n else 1.0


def _measured(judged: Judged, c: np.ndarray, n: np.ndarray, asked: float) -> tuple[float, float]:
    """Shares found, at the rate and averaged up to EARLY, of a draw."""
    clean, defects = np.sort(judged.clean[c]), np.sort(judged.defects[n])
    rank = min(len(clean), math.ceil((len(clean) + 1) * (1 - judged.rate(asked)) - 1e-9))
    found = 1 - np.searchsorted(defects, clean, "right") / len(defects)  # above each clean score
    return float(found[rank - 1]), float(found[-math.ceil(EARLY * len(clean)) :].mean())


def _tally(names: Sequence[str], hits: np.ndarray) -> dict[str, dict[str, int]]:
    of, found = Counter(names), Counter(name for name, hit in zip(names, hits, strict=False) if hit)
    return {name: {"found": found[name], "of": of[name]} for name in sorted(of)}
