"""Similar inspections, kinds of defects."""

from __future__ import annotations

from pydantic import Field

from nominal_client.answers import Answer
from nominal_client.answers.inspections import Inspection


class SimilarInspection(Answer):
    """A past inspection. ``similarity`` of its worst places, from -1 to 1; a sibling shows the same part."""

    inspection: Inspection
    similarity: float
    sibling: bool


class Suggestion(Answer):
    """The kind that most of the nearest named inspections have, each counted by its similarity."""

    kind: str | None = Field(
        description="Null where it is unsure: the margin is too small, or the voters too few."
    )
    confidence: float = Field(description="Share of the vote, from 0 to 1.")
    margin: float = Field(description="How far the share exceeds that of the next kind.")
    needed: float = Field(description="The least margin with which a kind is suggested.")
    voters: int


class Learnt(Answer):
    """What a projection learnt from reviewed kinds is worth: mean average precision on parts held out."""

    before: float
    after: float


class SimilarInspections(Answer):
    """Most similar first. ``compared`` is among how many."""

    items: list[SimilarInspection]
    compared: int
    suggestion: Suggestion | None = Field(description="Null where no similar inspection has a kind.")
    learnt: Learnt | None = Field(description="Null where no projection finds more.")


class Kind(Answer):
    """A kind of defect, and how many inspections have it."""

    kind: str
    count: int


class KindList(Answer):
    """The kinds of a bank, the most frequent first."""

    items: list[Kind]


class KindRenamed(Answer):
    """The new name, and how many inspections had the old one."""

    kind: str
    inspections: int
