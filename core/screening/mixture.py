"""Whether a nominal set is of one kind: sizes, shapes, colours, and photographs that look like another product.

Letters: n images, g parts, m numbers of a descriptor, h w height and width in pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy  # its parts are imported where they are used, so not by a server's start
from jaxtyping import Float32, Float64, Int32, Int64

from core.groups import Groups, numbered
from core.input.photograph import Photograph

SAMPLED = 64  # pixels a side, about, that colour is looked for in
TINT = 12  # of 255, between channels: less is a grey picture as JPEG keeps it
COLOURED = 0.01  # of the sampled pixels
SAME_ASPECT = 0.02  # relative: less between two aspect ratios is rounding
FEWEST = 3  # photographs of another product that are told from single outliers
APART = (
    1.5  # times the spread within a product: toys, tiles and castings mixed reach 1.8, one kind of cell 1.4
)
MOST_CLUSTERS = 32  # that a set is cut into to leave its outliers aside
ASIDE = 0.1  # of the photographs, at most
TINY = 1e-12
PARTS = 2000  # of more, a seeded sample
Node = Any
"""A scipy.cluster.hierarchy.ClusterNode."""


@dataclass(frozen=True)
class Look:
    """What is seen of one image: its (height, width) in pixels and whether it shows shades of grey only."""

    shape: tuple[int, int]
    grey: bool

    @classmethod
    def of(cls, image: Photograph) -> Look:
        """By content: an RGB file may be a grey picture."""
        step = max(1, min(image.pixels.shape[:2]) // SAMPLED)
        some = image.pixels[::step, ::step].astype(np.int16)
        red, green, blue = some[..., 0], some[..., 1], some[..., 2]
        tinted = (abs(red - green) > TINT) | (abs(green - blue) > TINT) | (abs(red - blue) > TINT)
        return cls(image.shape, float(tinted.mean()) <= COLOURED)


@dataclass(frozen=True)
class Kind:
    """Images that are alike in one respect. what: in words, such as 256 x 256 pixels; images: ascending."""

    what: str
    images: tuple[int, ...]


def sizes(looks: Sequence[Look]) -> tuple[Kind, ...]:
    """By width and height, the most frequent first."""
    return _kinds([look.shape for look in looks], lambda shape: f"{shape[1]} x {shape[0]} pixels")


def aspects(looks: Sequence[Look]) -> tuple[Kind, ...]:
    """By width / height, ratios that hardly differ from the next taken as one; the most frequent first."""
    ratios = np.array([look.shape[1] / look.shape[0] for look in looks])
    order = np.argsort(ratios, kind="stable")
    step = np.diff(ratios[order], prepend=ratios[order[0]]) > SAME_ASPECT * ratios[order]
    label = np.empty(len(ratios), np.int64)
    label[order] = np.cumsum(step)
    lowest, highest = (
        np.array([choose(ratios[label == k]) for k in range(label.max() + 1)]) for choose in (np.min, np.max)
    )

    def word(kind: int) -> str:
        low, high = f"{lowest[kind]:.2f}", f"{highest[kind]:.2f}"
        return f"{low if low == high else f'{low} to {high}'} times as wide as high"

    return _kinds(label.tolist(), word)


def colours(looks: Sequence[Look]) -> tuple[Kind, ...]:
    """In colour or in shades of grey, the more frequent first."""
    return _kinds([look.grey for look in looks], lambda grey: "in shades of grey" if grey else "in colour")


def products(sketches: Float32[np.ndarray, "n m"], groups: Groups, seed: int) -> tuple[Kind, ...]:
    """The products that the images seem to show, the most frequent first; one where no clear gap parts them.

    Parts are joined by the average distance of their mean descriptors (average linkage). A cut into clusters of at
    least FEWEST photographs, smaller ones left aside, has a clear gap where the least distance between two clusters is
    APART times the spread within any. Of such cuts the one with the most clusters counts, then the one that leaves
    the fewest photographs aside; these are in no kind.
    """
    parts = _sampled(groups, seed)
    means = np.array([sketches[groups.labels == part].mean(axis=0, dtype=np.float64) for part in parts])
    cluster = _clusters(means, groups.sizes[parts])
    if cluster is None:
        return (Kind("of one product", tuple(range(groups.images))),)
    of_part = np.full(groups.count, -1)
    of_part[parts] = cluster
    found = of_part[groups.labels]
    kinds = _kinds(found.tolist(), str)
    named = [kind for kind in kinds if found[kind.images[0]] >= 0]
    return tuple(Kind(f"of product {i}", kind.images) for i, kind in enumerate(named, 1))


def _sampled(groups: Groups, seed: int) -> Int32[np.ndarray, " k"]:
    if groups.count <= PARTS:
        return np.arange(groups.count, dtype=np.int32)
    chosen = np.random.default_rng(seed).choice(groups.count, PARTS, replace=False)
    return np.sort(chosen).astype(np.int32)


def _clusters(
    means: Float64[np.ndarray, "g m"], photographs: Int32[np.ndarray, " g"]
) -> Int64[np.ndarray, " g"] | None:
    """A cluster for each part, -1 for those left aside; None for no clear gap."""
    if len(means) <= FEWEST:
        return None
    tree = scipy.cluster.hierarchy.to_tree(scipy.cluster.hierarchy.linkage(means, "average"))
    best, most = None, (0, 0)
    for count in range(2, min(MOST_CLUSTERS, len(means))):
        clusters, joined = _cut(tree, count)
        large = [c for c in clusters if photographs[c.pre_order()].sum() >= FEWEST]
        aside = photographs.sum() - sum(photographs[c.pre_order()].sum() for c in large)
        if len(large) < 2 or aside > ASIDE * photographs.sum() or max(c.count for c in large) < FEWEST:
            continue
        apart = _joining(joined, large) >= APART * max(max(c.dist for c in large), TINY)
        if apart and (len(large), -aside) > most:
            best, most = large, (len(large), -aside)
    return None if best is None else _labels(best, len(means))


def _cut(tree: Node, count: int) -> tuple[list[Node], list[Node]]:
    """The tree as so many clusters: these, and the joints above them, lowest last."""
    clusters, joints = [tree], list[Node]()
    while len(clusters) < count:
        highest = max(clusters, key=lambda node: node.dist)
        clusters.remove(highest)
        clusters += _halves(highest)
        joints.append(highest)
    return clusters, joints


def _joining(joints: list[Node], clusters: list[Node]) -> float:
    """The least distance at which two of the clusters join."""
    inside = {cluster.id for cluster in clusters}
    for joint in reversed(joints):
        halves = {half.id for half in _halves(joint)}
        if halves <= inside:
            return float(joint.dist)
        if halves & inside:
            inside.add(joint.id)
    raise AssertionError("two clusters of one tree join somewhere")


def _halves(joint: Node) -> list[Node]:
    return [half for half in (joint.get_left(), joint.get_right()) if half is not None]


def _labels(clusters: list[Node], parts: int) -> Int64[np.ndarray, " g"]:
    found = np.full(parts, -1, np.int64)
    for i, cluster in enumerate(clusters):
        found[cluster.pre_order()] = i
    return found


def _kinds(keys: Sequence[Hashable], word: Callable[..., str]) -> tuple[Kind, ...]:
    """Images by key, the most frequent first, then in the order of appearance."""
    labels = numbered(keys)
    members = Groups(labels, "none").members() if len(labels) else []
    kinds = [Kind(word(keys[int(each[0])]), tuple(each.tolist())) for each in members]
    return tuple(sorted(kinds, key=lambda kind: -len(kind.images)))
