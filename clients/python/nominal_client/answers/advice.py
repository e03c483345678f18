"""Advice on settings: what was tried on a part of a nominal set, and what to take."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from nominal_client.answers import Answer, JsonObject
from nominal_client.answers.jobs import Job


class Tally(Answer):
    """Defects of one kind or size."""

    found: int
    of: int


class Gain(Answer):
    """What a setting finds more than the best before it; intervals are of 98 %, over parts drawn anew."""

    found: float = Field(description="Difference of the shares of defects found.")
    found_low: float
    found_high: float
    early: float = Field(description="The same, averaged over all false-reject rates up to 20 %.")
    early_low: float
    early_high: float
    auroc: float = Field(description="Difference of the image AUROC.")
    only_new: int = Field(description="Defects that only this setting finds.")
    only_old: int = Field(description="Defects that only the other finds.")
    p: float = Field(description="McNemar's exact test of both counts.")
    clear: bool = Field(description="Whether it is more than chance, and enough to be worth a change.")


class Trial(Answer):
    """One setting. Every held-out photograph was judged by a bank that does not know its part."""

    setting: str = Field(description="How it differs from the settings given, such as 'size 512'.")
    change: JsonObject = Field(description="The same, to be laid over a config.")
    backbone: str
    found: int
    defects: int
    kinds: dict[str, Tally]
    sizes: dict[str, Tally] = Field(
        description="Of made defects, by their share of the photograph's shorter side."
    )
    image_auroc: float
    spread: float = Field(
        description="Standard deviation of held-out nominal scores, relative to their mean."
    )
    threshold: float
    ms_per_image: float = Field(description="From pixels to score, the fastest of two.")
    bank_vectors: int = Field(description="Of the bank that a build would give.")
    megabytes: float = Field(description="Of its vectors.")
    build_seconds: float = Field(description="About, to read all images.")
    against: int | None = Field(description="The trial that `gain` compares with; null for the first.")
    gain: Gain | None


class NotTried(Answer):
    """A setting, and why it was not tried."""

    setting: str
    why: str


class RestsOn(Answer):
    """What the advice rests on."""

    images: int = Field(description="Nominal images of the set.")
    used: int = Field(description="Those that were read.")
    parts: int = Field(description="That they show.")
    defects: int
    labelled: bool = Field(description="Whether defects are labelled images; otherwise they were made.")
    asked_false_reject: float
    judged_at: float = Field(description="The false-reject rate of all thresholds here.")
    height: int = Field(description="Pixels of most photographs.")
    width: int


class Unreadable(Answer):
    """An image that was left aside."""

    image: str
    reason: str


class Advice(Answer):
    """What to take, in a sentence, and every trial."""

    advice: str
    change: JsonObject = Field(
        description="To be laid over the settings given; empty where they are to be kept."
    )
    options: list[str] = Field(description="The same as words of the command line.")
    backbone: str
    taken: int = Field(description="The trial to take.")
    trials: list[Trial] = Field(description="In their order; the first has the settings given.")
    not_tried: list[NotTried]
    says: list[str] = Field(description="What a person should know before following it, a sentence each.")
    rests_on: RestsOn
    left_aside: list[Unreadable]
    complete: bool = Field(description="False where it was stopped before its end.")
    cpu_seconds: float
    plain_build_cpu_seconds: float = Field(description="About, of a build with the settings given.")
    seconds: float


class BankAdvice(Answer):
    """A bank's newest job of this kind, and the newest advice; each is null before there is one."""

    job: Job | None
    found: Advice | None
    finished_at: datetime | None
    current: bool = Field(description="Whether the bank still has the settings that the advice began with.")
