"""Which photographs show one part: the result, and what that many parts can promise.

Letters: n images, g groups.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Int32

from core.errors import AllDuplicates, GroupsError, OneGroup, ShapeError

Source = Literal["regex", "file", "none", "auto", "parts"]
"""Who said which photographs belong together: a regular expression, a file, nobody, the images themselves,
or whoever sent each photograph with its part."""

SOURCES = ("regex", "file", "none", "auto", "parts")
MANY_IN_ONE = 0.5  # a largest group above this share of all photographs is worth a sentence


@dataclass(frozen=True, eq=False)
class Groups:
    """Each photograph's part.

    labels (n,): the group of each image, numbered by first appearance. source: who said so. names: one per group,
    as the user wrote them, or None. duplicates: pairs (earlier, later) of images with the same input, each image
    paired with the first of its kind. cut: how many sets of photographs that resemble each other were larger than
    a group may be, and were cut apart. Raises ShapeError for labels that are not numbered so, names or pairs that do
    not match them, or an unknown source.
    """

    labels: Int32[np.ndarray, " n"]
    source: Source
    names: tuple[str, ...] | None = None
    duplicates: tuple[tuple[int, int], ...] = ()
    cut: int = 0

    def __post_init__(self) -> None:
        problem = self._problem()
        if problem:
            raise ShapeError(
                requirement="groups must be int32 labels (n,) from 0 in order of first appearance, what is said "
                "of them must match them",
                received=problem,
                remedy="number them with core.groups.numbered",
            )

    def _problem(self) -> str | None:
        labels, n = self.labels, len(self.labels)
        if labels.ndim != 1 or labels.dtype != np.int32 or n == 0:
            return f"{labels.dtype} of shape {labels.shape}"
        if not np.array_equal(labels, numbered(labels.tolist())):
            return "other labels"
        if self.source not in SOURCES:
            return f"the source {self.source!r}"
        if self.names is not None and len(self.names) != self.count:
            return f"{len(self.names)} names of {self.count} groups"
        if any(not 0 <= a < b < n or labels[a] != labels[b] for a, b in self.duplicates):
            return "pairs of duplicates that are no two images of one group"
        return f"{self.cut} sets that were cut" if self.cut < 0 else None

    @property
    def images(self) -> int:
        """Photographs, n."""
        return len(self.labels)

    @property
    def count(self) -> int:
        """Groups, g."""
        return int(self.labels.max()) + 1

    @property
    def sizes(self) -> Int32[np.ndarray, " g"]:
        """Photographs of each group."""
        return np.bincount(self.labels).astype(np.int32)

    @property
    def least_rate(self) -> float:
        """The lowest false-reject rate that so many parts support, in (0, 1]: 1 / (g + 1)."""
        return 1 / (self.count + 1)

    def members(self) -> list[Int32[np.ndarray, " _"]]:
        """The images of each group, ascending."""
        order = np.argsort(self.labels, kind="stable").astype(np.int32)
        return np.split(order, np.cumsum(self.sizes)[:-1])

    def __str__(self) -> str:
        """One sentence for a person; "about" where the images themselves were asked."""
        about = "about " if self.source == "auto" and self.count < self.images else ""
        parts = f"{about}{self.count:,} part{'s' * (self.count != 1)}"
        shown = f"{self.images:,} photograph{'s' * (self.images != 1)} of {parts}"
        return f"{shown}; they support a false-reject rate of {100 * self.least_rate:.2g} % at best"

    def notices(self) -> list[str]:
        """What a person should look at before believing these groups, a sentence each."""
        found = []
        if self.duplicates:
            copies = len(self.duplicates)
            found.append(
                f"{copies:,} photographs are exact copies of earlier ones"
                if copies > 1
                else "one photograph is an exact copy of an earlier one"
            )
        if self.cut:
            sets = "one set" if self.cut == 1 else f"{self.cut:,} sets"
            found.append(
                f"{sets} of photographs that resemble each other {'was' if self.cut == 1 else 'were'} cut into groups "
                "of at most 12; if one part was photographed more often, say which photographs show it"
            )
        if self.count > 1 and self.sizes.max() > MANY_IN_ONE * self.images:
            found.append(f"one part has {self.sizes.max():,} of the {self.images:,} photographs")
        return found


def numbered(keys: Sequence[Hashable]) -> Int32[np.ndarray, " n"]:
    """One label per key, equal where keys are, from 0 in order of first appearance."""
    first: dict[Hashable, int] = {}
    return np.array([first.setdefault(key, len(first)) for key in keys], np.int32)


def require_several(groups: Groups) -> Groups:
    """The groups, if there are two at least: with one there is no part to hold out.

    Raises AllDuplicates where all images are copies of one, OneGroup for any other single group.
    """
    if groups.count > 1:
        return groups
    copies = groups.images > 1 and len(groups.duplicates) == groups.images - 1
    error: type[GroupsError] = AllDuplicates if copies else OneGroup
    raise error(
        requirement="photographs must show at least two parts, so that one can be held out",
        received=f"{groups.images:,} copies of one photograph"
        if copies
        else f"{groups.images:,} photographs of one part",
        remedy="add photographs of other parts"
        if copies
        else "add photographs of other parts, or say which photographs show which part",
    )
