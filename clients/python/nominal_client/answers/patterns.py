"""Patterns of defects: what is frequent in rejects and absent from nominal images, and where it is on them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from nominal_client.answers import Answer
from nominal_client.answers.jobs import Job


class Example(Answer):
    """A reject that shows a pattern: ``name`` is its inspection's id, ``response`` from 0 to 1, the place in pixels."""

    name: str
    response: float
    x: int
    y: int


class Pattern(Answer):
    """One pattern; those that most rejects show best come first."""

    rejects: int = Field(description="That answer to this pattern more than to any other.")
    frequency: float = Field(description="Share of the rejects that show it: a response above 0.5.")
    in_nominal: float = Field(description="Share of the nominal images that show it.")
    examples: list[Example]


class Mining(Answer):
    """Patterns mined on one input. ``nmi`` and ``purity`` are null unless reviews name two kinds or more."""

    of: Literal["residual", "whole"] = Field(
        description="residual: what differs in patches above the threshold. whole: every patch vector."
    )
    separation: float = Field(
        description="Share of pairs of a reject and a nominal image in which the reject answers more strongly."
    )
    stability: float = Field(
        description="Mean adjusted Rand index of the groups over pairs of seeds; 1 at best."
    )
    nmi: float | None = Field(
        description="Of the rejects' groups with their kinds: mutual information, 0 to 1."
    )
    purity: float | None = Field(description="Share of rejects that have the commonest kind of their group.")
    patterns: list[Pattern]


class Clusters(Answer):
    """The unnamed groups of the same rejects, as the Pareto makes them, for comparison."""

    groups: int
    nmi: float | None
    purity: float | None


class LeftAside(Answer):
    """An image that was not mined, and why."""

    name: str
    reason: str


class Patterns(Answer):
    """What was mined: of how many nominal images and rejects, ``named`` of which have a kind."""

    nominal: int
    rejects: int
    named: int
    minings: list[Mining]
    clusters: Clusters
    left_aside: list[LeftAside]


class BankPatterns(Answer):
    """A bank's newest job of this kind, and the newest patterns; each is null before there is one."""

    job: Job | None
    found: Patterns | None
    finished_at: datetime | None
    current: bool = Field(
        description="Whether the version that they were mined with is still the active one."
    )
