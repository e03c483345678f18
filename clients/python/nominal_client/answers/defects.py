"""Similar inspections, kinds of defects."""

from __future__ import annotations

from datetime import datetime

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


class Pile(Answer):
    """Defects of one kind that people named, or a group of unnamed ones that look alike."""

    kind: str | None = Field(
        description="Null for unnamed ones: reviewed without a kind, or rejected and waiting."
    )
    group: int | None = Field(
        description="Of unnamed ones, from 1; 0 for those in no group. Null for a kind."
    )
    count: int
    share: float = Field(description="Of all defects.")
    by_day: list[int] = Field(description="As many as `days`.")
    by_station: dict[str, int] = Field(description='"" where no station was said.')
    examples: list[str] = Field(description="Ids of inspections, the newest first.")
    places: list[list[int]] = Field(
        description="How many regions have their middle in each cell of a 16 x 16 grid over the image, by rows."
    )
    placed: int = Field(description="The newest inspections that `places` counts.")


class Pareto(Answer):
    """The defects of a bank in a span, the most frequent first, those in no group last."""

    bank: str
    station: str | None
    since: datetime
    until: datetime
    days: list[str] = Field(description="Of UTC.")
    total: int
    piles: list[Pile]


class KindAcrossBanks(Answer):
    """Defects of one kind on every bank, or of all that have no name."""

    kind: str | None = Field(
        description="Null for unnamed ones: reviewed without a kind, or rejected and waiting."
    )
    count: int
    share: float = Field(description="Of all defects.")
    by_day: list[int] = Field(description="As many as `days`.")
    by_bank: dict[str, int]
    by_station: dict[str, int] = Field(description='"" where no station was said.')


class ParetoAcrossBanks(Answer):
    """The defects of every bank in a span, the most frequent kind first, unnamed ones last."""

    station: str | None
    since: datetime
    until: datetime
    days: list[str] = Field(description="Of UTC.")
    total: int
    kinds: list[KindAcrossBanks]
