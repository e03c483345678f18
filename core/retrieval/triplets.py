"""A projection of descriptors learnt from reviewed kinds, by triplets (Gordo et al. 2017, Eq. 1), kept where it helps.

It begins as the identity and is drawn back to it. What it gains is measured on parts it did not learn from: without a
gain there, none is given. Letters: n descriptors, d dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from core.retrieval.quality import retrieval_quality
from core.retrieval.whitening import unit

LEAST = 50  # labelled descriptors; fewer promise nothing
FOLDS = 4
STEPS, RATE, MARGIN, PULL, POSITIVES = 150, 3e-3, 0.2, 1e-2, 4
LEAST_GAIN = 0.01  # of mean average precision, between folds


@dataclass(frozen=True, eq=False)
class Learnt:
    """axes (d, d): what unit descriptors are multiplied with.

    before, after: mean average precision on parts held out, in [0, 1].
    """

    axes: Float32[np.ndarray, "d d"]
    before: float
    after: float

    def __call__(self, descriptors: Float32[np.ndarray, "n d"]) -> Float32[np.ndarray, "n d"]:
        """Projected, unit length."""
        return unit(descriptors @ self.axes)


def learn_projection(
    descriptors: Float32[np.ndarray, "n d"], kinds: np.ndarray, parts: np.ndarray, seed: int = 0
) -> Learnt | None:
    """The projection learnt from all of them, or None where it does not find more on parts held out of it.

    descriptors: unit length. kinds (n,): label of each one's defect. parts (n,): label of the part that it shows;
    exposures of one part are never on both sides.
    """
    if len(descriptors) < LEAST or len(np.unique(kinds)) < 2:
        return None
    order = np.random.default_rng(seed).permutation(np.unique(parts))
    fold_of = {part: place % FOLDS for place, part in enumerate(order)}
    folds = np.asarray([fold_of[part] for part in parts])
    before, after, counted = 0.0, 0.0, 0
    for fold in range(FOLDS):
        out = folds == fold
        plain = retrieval_quality(descriptors[out], kinds[out], parts[out])
        if plain.queries == 0 or out.all():
            continue
        axes = _fitted(descriptors[~out], kinds[~out], parts[~out], seed)
        learnt = retrieval_quality(unit(descriptors[out] @ axes), kinds[out], parts[out])
        before, after = before + plain.map * plain.queries, after + learnt.map * plain.queries
        counted += plain.queries
    if counted == 0 or (after - before) / counted < LEAST_GAIN:
        return None
    return Learnt(_fitted(descriptors, kinds, parts, seed), before / counted, after / counted)


def _fitted(
    descriptors: Float32[np.ndarray, "n d"], kinds: np.ndarray, parts: np.ndarray, seed: int
) -> Float32[np.ndarray, "d d"]:
    """Descent on the mean loss of the triplets that violate the margin: a few positives of each, all negatives."""
    x, d = torch.from_numpy(descriptors), descriptors.shape[1]
    same = torch.from_numpy((kinds[:, None] == kinds) & (parts[:, None] != parts))
    apart = torch.from_numpy(kinds[:, None] != kinds)
    asked = same.any(dim=1)
    if not bool(asked.any()):
        return np.eye(d, dtype=np.float32)
    chances, chance = same[asked].float(), torch.Generator().manual_seed(seed)
    eye = torch.eye(d)
    axes = eye.clone().requires_grad_()
    descent = torch.optim.Adam([axes], lr=RATE)
    for _ in range(STEPS):
        loss = _loss(x, axes, asked, torch.multinomial(chances, POSITIVES, True, generator=chance), apart)
        descent.zero_grad()
        torch.autograd.backward(loss + PULL * ((axes - eye) ** 2).sum())
        descent.step()
    return axes.detach().numpy()


def _loss(x: Tensor, axes: Tensor, asked: Tensor, positives: Tensor, apart: Tensor) -> Tensor:
    projected = torch.nn.functional.normalize(x @ axes, dim=1)
    similar = (projected @ projected.T)[asked]  # (queries, n)
    near = similar.gather(1, positives)  # (queries, positives)
    violated = torch.relu(MARGIN - near[:, :, None] + similar[:, None, :]) * apart[asked][:, None, :]
    return violated.sum() / (violated > 0).sum().clamp(min=1)
