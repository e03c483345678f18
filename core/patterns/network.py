"""PatternNet (Li, Ellis, Zhang and Chang 2018): patterns frequent in rejects and absent from nominal images.

Global max pooling of feature maps, a threshold at what nominal images reach, a sparse layer of weights from 0, a
sigmoid. An image shows a defect if it shows any pattern (noisy-or). The cost is discriminative (cross-entropy) and
representative (every pattern is to answer to a share of the rejects), with few weights and patterns unlike each other.
Letters: n nominal images, r rejects, i images, p patches, c channels, k patterns.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor
from torch.nn import functional as F

from core.errors import ShapeError
from core.patterns.agreement import rand_index

QUANTILE = 0.95  # of nominal images, that a channel must pass to count
STEPS, RATE = 300, 0.05
SPARSITY, LIKENESS = 3e-2, 0.1  # weights of the cost
SHARE = 0.25  # of rejects, that a pattern is to answer to
_TINY = 1e-6


@dataclass(frozen=True, eq=False)
class Pooled:
    """Highest values of each channel in nominal images (n, c) and rejects (r, c)."""

    nominal: Float32[np.ndarray, "n c"]
    rejects: Float32[np.ndarray, "r c"]

    def __post_init__(self) -> None:
        if min(len(self.nominal), len(self.rejects)) < 2:
            raise ShapeError(
                requirement="patterns need at least two nominal images and two rejects",
                received=f"{len(self.nominal)} and {len(self.rejects)}",
                remedy="collect more rejects",
            )


@dataclass(frozen=True, eq=False)
class Mined:
    """weights (k, c) from 0, thresholds and scales (c,), bias (k,): what answers to an image or a patch.

    responses (r, k): of the rejects, in (0, 1). separation: the share of pairs of a reject and a nominal image in which
    the reject answers more strongly, in [0, 1].
    """

    weights: Float32[np.ndarray, "k c"]
    thresholds: Float32[np.ndarray, " c"]
    scales: Float32[np.ndarray, " c"]
    bias: Float32[np.ndarray, " k"]
    responses: Float32[np.ndarray, "r k"]
    separation: float

    @property
    def groups(self) -> Int64[np.ndarray, " r"]:
        """Of each reject the pattern that answers most strongly."""
        strongest: np.ndarray = self.responses.argmax(axis=1)
        return strongest

    def respond(self, pooled: Float32[np.ndarray, "i c"]) -> Float32[np.ndarray, "i k"]:
        """How strongly images answer to each pattern, in (0, 1)."""
        passed = np.maximum(pooled - self.thresholds, 0) / self.scales
        answers: np.ndarray = 1 / (1 + np.exp(self.bias - passed @ self.weights.T))
        return answers

    def places(self, patches: Float32[np.ndarray, "p c"], pattern: int) -> Float32[np.ndarray, " p"]:
        """Where a pattern is in an image: what each patch adds to it, from 0."""
        passed = np.maximum(patches - self.thresholds, 0) / self.scales
        found: np.ndarray = passed @ self.weights[pattern]
        return found


def mine(pooled: Pooled, patterns: int = 5, seed: int = 0) -> Mined:
    """Mine so many patterns; deterministic for a seed. Raises ShapeError for fewer than 1."""
    if patterns < 1:
        raise ShapeError("patterns must be at least 1", str(patterns), "ask for more")
    thresholds = np.quantile(pooled.nominal, QUANTILE, axis=0).astype(np.float32)
    spread = np.concatenate([pooled.nominal, pooled.rejects]).std(axis=0)
    scales = (spread + _TINY).astype(np.float32)
    good, bad = (
        torch.from_numpy(np.maximum(x - thresholds, 0) / scales) for x in (pooled.nominal, pooled.rejects)
    )
    unit = torch.cat([good, bad]).amax().clamp(min=_TINY)  # so that one rate of learning suits every set
    generator = torch.Generator().manual_seed(seed)
    raw = (torch.rand(patterns, good.shape[1], generator=generator) * 0.1).requires_grad_()
    bias = torch.full((patterns,), 2.0).requires_grad_()
    optimiser = torch.optim.Adam([raw, bias], RATE)
    for _ in range(STEPS):
        optimiser.zero_grad()
        _cost(raw.clamp(min=0), bias, good / unit, bad / unit).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        raw.data.clamp_(min=0)
    with torch.no_grad():
        answers = [torch.sigmoid(x / unit @ raw.T - bias) for x in (good, bad)]
    return Mined(
        (raw.detach() / unit).numpy(),
        thresholds,
        scales,
        bias.detach().numpy(),
        answers[1].numpy(),
        _separation(*answers),
    )


def stability(mined: Sequence[Mined]) -> float:
    """The mean adjusted Rand index of the rejects' groups over pairs of seeds: 1 where all agree."""
    return mean(rand_index(a.groups.tolist(), b.groups.tolist()) for a, b in itertools.combinations(mined, 2))


def _cost(weights: Tensor, bias: Tensor, good: Tensor, bad: Tensor) -> Tensor:
    of_good, of_bad = (torch.sigmoid(x @ weights.T - bias) for x in (good, bad))
    missed = (1 - of_bad).clamp(min=_TINY).log().sum(dim=1)  # noisy-or: no pattern answers
    alarms = (1 - of_good).clamp(min=_TINY).log().sum(dim=1)
    discriminative = -(1 - missed.exp()).clamp(min=_TINY).log().mean() - alarms.mean()
    representative = F.relu(SHARE - of_bad.mean(dim=0)).mean()
    directions = F.normalize(weights, dim=1, eps=_TINY)
    alike = (directions @ directions.T).triu(1).sum() / max(1, len(weights) * (len(weights) - 1) // 2)
    return discriminative + representative + LIKENESS * alike + SPARSITY * weights.sum(dim=1).mean()


def _separation(good: Tensor, bad: Tensor) -> float:
    a, b = bad.amax(dim=1)[:, None], good.amax(dim=1)[None]
    return float(((a > b).double() + (a == b).double() / 2).mean())
