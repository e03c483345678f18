"""Groups among descriptors that nobody named: spherical k-means (Dhillon and Modha 2001), as many as stand apart best.

How many there are is chosen by the mean silhouette (Rousseeuw 1987); where none stand apart it is one group.
Letters: n descriptors of unit length, d dimensions, k groups.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Int64

MOST = 8  # groups
LEAST_SILHOUETTE = 0.1  # below it there is one group
ROUNDS = 25


def grouped(descriptors: Float32[np.ndarray, "n d"], most: int = MOST) -> Int64[np.ndarray, " n"]:
    """The group of each, numbered from 0, the largest first; the same for the same descriptors in the same order."""
    n = len(descriptors)
    best, found = LEAST_SILHOUETTE, np.zeros(n, np.int64)
    apart = 1 - descriptors @ descriptors.T
    for k in range(2, min(most, n // 2) + 1):
        groups = _k_means(descriptors, k)
        if (silhouette := _silhouette(apart, groups)) > best:
            best, found = silhouette, groups
    _, groups, counts = np.unique(found, return_inverse=True, return_counts=True)
    place = np.empty(len(counts), np.int64)
    place[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    numbered: Int64[np.ndarray, " n"] = place[groups]
    return numbered


def _k_means(x: Float32[np.ndarray, "n d"], k: int) -> Int64[np.ndarray, " n"]:
    """From centres that lie farthest apart, until none moves."""
    groups = np.full(len(x), -1)
    centres = x[_far_apart(x, k)]
    for _ in range(ROUNDS):
        nearest = (x @ centres.T).argmax(axis=1)
        if (nearest == groups).all():
            break
        groups = nearest
        sums = np.stack([x[groups == group].sum(axis=0) for group in range(k)])
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        centres = np.where(lengths > 0, sums / np.maximum(lengths, 1e-12), centres)  # an empty group stays
    return groups.astype(np.int64)


def _far_apart(x: Float32[np.ndarray, "n d"], k: int) -> list[int]:
    chosen = [int((x @ x.mean(axis=0)).argmin())]
    nearest = x @ x[chosen[0]]
    while len(chosen) < k:
        chosen.append(int(nearest.argmin()))
        nearest = np.maximum(nearest, x @ x[chosen[-1]])
    return chosen


def _silhouette(apart: Float32[np.ndarray, "n n"], groups: Int64[np.ndarray, " n"]) -> float:
    """The mean over all of (b - a) / max(a, b): a within the own group, b to the nearest other; 0 in a group of one."""
    names, own = np.unique(groups, return_inverse=True)
    if len(names) < 2:
        return -1.0
    member = own[:, None] == np.arange(len(names))  # (n, k)
    sizes, sums = member.sum(axis=0), apart @ member
    within = sums[member] / np.maximum(sizes[own] - 1, 1)
    means = np.where(member, np.inf, sums / sizes)
    beyond = means.min(axis=1)
    widths = (beyond - within) / np.maximum(np.maximum(within, beyond), 1e-12)
    return float(np.where(sizes[own] == 1, 0, widths).mean())
