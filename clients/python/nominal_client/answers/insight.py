"""What a version learnt, what thresholds would do, what two versions say of the same images, how people agree."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from nominal_client.answers import Answer
from nominal_client.answers.inspections import Decision, Thresholds, Verdict

ByDecision = dict[Decision, int]


class Share(Answer):
    """``count`` of ``total``; rate null of nothing. low, high: 95 % interval (Clopper-Pearson)."""

    count: int
    total: int
    rate: float | None
    low: float
    high: float


class ExpectedRate(Answer):
    """How often new good parts score above a threshold, by nominal scores, of which ``above`` do.

    expected: at most this on average, (above + 1) / (images + 1). low, high: 95 % interval of what it is here.
    """

    above: int
    images: int
    expected: float
    low: float
    high: float


class Promise(Answer):
    """What the asked rate means for this many images; ``text`` says it in a sentence."""

    n: int
    rate: float
    rank: int
    expected: float
    low: float
    high: float
    text: str


class NominalScore(Answer):
    """A nominal image with its score against the bank without its own patches."""

    name: str
    sha256: str | None = Field(description="Where the bank was built here.")
    score: float
    present: bool = Field(description="Whether it is still in the nominal set.")


class Calibration(Answer):
    """What a version learnt. The thresholds are those it has, or would have, as the bank's active version."""

    bank: str
    version: int
    images: int
    vectors: int
    supported_false_reject: float
    thresholds: Thresholds | None = Field(description="Null where it does not support the bank's rates.")
    reason: str | None = Field(description="Why there are no thresholds.")
    expected_review: ExpectedRate | None
    expected_reject: ExpectedRate | None
    promise: Promise | None = Field(description="Where a rate gives the reject threshold.")
    edges: list[float] = Field(description="Of the histogram's bins, one more than counts.")
    counts: list[int]
    hardest: list[NominalScore] = Field(description="Highest scores first: a bad one among the good is here.")
    build_seconds: float | None
    stage_seconds: dict[str, float]


class NominalImage(Answer):
    """An image that a version was built with."""

    name: str
    sha256: str | None = Field(description="Where the bank was built here.")
    present: bool = Field(description="Whether it is still in the nominal set.")


class Fit(Answer):
    """How the part in a nominal image lies against the reference; null where that was not kept."""

    image: NominalImage
    fit: float = Field(description="Correlation of both pictures' edges, from -1 to 1.")
    inliers: int | None = Field(description="Distinct points that agree with the reference; null by edges.")
    residual: float | None = Field(description="Pixels that these are apart, root mean square.")
    rotation: float | None = Field(description="Degrees clockwise from the reference.")
    shift: tuple[float, float] | None = Field(
        description="(x, y) from the image's middle to where the reference's is, pixels."
    )
    scale: float | None = Field(description="Its size against the reference's, as shares of the pictures.")


class LeftOut(Answer):
    """A nominal image whose part was not located, so that it was not learned."""

    image: NominalImage
    reason: str


class Fits(Answer):
    """What a version's parts are brought onto, and how well its nominal images fit it."""

    bank: str
    version: int
    method: Literal["sift", "edges"] = Field(description="What parts are found by: points, or edges.")
    reference: NominalImage
    width: int = Field(description="Of the reference, pixels.")
    height: int
    keypoints: int = Field(description="Of the reference; 0 by edges.")
    level: float = Field(description="The least fit of a part that is located.")
    images: int = Field(description="Nominal images that were learned.")
    items: list[Fit] = Field(description="The least fit first.")
    left_out: list[LeftOut] = Field(description="At most 100.")


class Flip(Answer):
    """A recorded inspection that the explored thresholds would decide otherwise."""

    id: str
    score: float
    decision: Decision
    would_be: Decision
    verdict: Verdict | None


class Exploration(Answer):
    """What thresholds would do. Recorded inspections are the newest 20,000 of the explored version."""

    bank: str
    revision: int = Field(description="Of the bank: the ETag to save under.")
    version: int
    thresholds: Thresholds
    present: Thresholds | None = Field(description="The bank's own.")
    expected_review: ExpectedRate
    expected_reject: ExpectedRate
    inspections: int
    decided: ByDecision
    outcomes: dict[str, ByDecision] = Field(description="By verdict, or unreviewed.")
    found: Share = Field(description="Of reviewed defects those not accepted.")
    alarms: Share = Field(description="Of reviewed false alarms those not accepted.")
    flips: dict[Decision, ByDecision] = Field(
        description="From the recorded decision to the one it would be."
    )
    flipped: int
    edges: list[float] = Field(description="Of the bins; the outer ones hold what lies beyond.")
    nominal: list[int] = Field(description="Calibration scores, a bin.")
    recorded: dict[str, list[int]] = Field(description="Inspections by verdict, or unreviewed, a bin.")
    items: list[Flip] = Field(description="Flips, newest first.")
    next: str | None = Field(description="Cursor for more of them.")


class Costs(Answer):
    """As they were asked for."""

    missed_defect: float
    false_reject: float
    defect_rate: float


class Priced(Answer):
    """A reject threshold and what it costs per 1,000 parts; low, high: 95 % interval of the cost.

    rejected: share of good parts above it. missed: of reviewed defects at or below it, (k + 1) / (n + 2).
    """

    threshold: float
    rejected: float
    missed: float
    cost: float
    low: float
    high: float


class Saving(Answer):
    """What the best threshold costs less than the present one per 1,000 parts, with its 95 % interval."""

    cost: float
    low: float
    high: float


class Economics(Answer):
    """The reject threshold at which missed defects and false rejects together cost least."""

    bank: str
    revision: int = Field(description="Of the bank: the ETag to save under.")
    version: int
    costs: Costs
    parts: int = Field(description="Nominal parts, whose scores say how many good parts a threshold rejects.")
    defects: int = Field(description="Reviewed defects, whose scores say how many a threshold misses.")
    missed: int = Field(description="Of those, the missed ones: accepted, and found defective by a person.")
    best: Priced
    low: float = Field(description="Thresholds from here to `high` are not told from the best.")
    high: float
    present: Priced | None = Field(description="Null where the version does not support the bank's rates.")
    saving: Saving | None
    caution: str = Field(description="In which direction reviewed defects mislead.")


class Side(Answer):
    """What one version says of an image."""

    score: float
    decision: Decision


class ComparedInspection(Answer):
    """Which inspection was looked at."""

    id: str
    version: int
    serial: str | None
    name: str | None
    verdict: Verdict | None


class Compared(Answer):
    """One inspection under both versions; a and b are null where ``problem`` says why."""

    done: int
    total: int
    inspection: ComparedInspection
    a: Side | None
    b: Side | None
    flipped: bool
    problem: str | None
    learnt: list[int] = Field(
        description="Versions that learnt this very image: what they say of it shows nothing about other parts."
    )


class Agreement(Answer):
    """How people judged the decisions: flagged and defective, flagged and good, accepted and defective."""

    confirmed: int
    false_alarms: int
    missed: int
    waiting: ByDecision = Field(description="Without a verdict.")
    agreed: Share = Field(description="Verdicts that confirm the decision.")


class TrendHour(Answer):
    """An hour of UTC."""

    start: datetime
    decided: ByDecision
    median: float | None = Field(description="Of the accepted parts' scores; null of none.")
    high: float | None = Field(description="The score that 95 % of the accepted parts do not exceed.")
    reviewed: int = Field(description="Of this hour's inspections, those with a verdict.")
    agreed: int = Field(description="Verdicts that confirm the decision.")


class Trend(Answer):
    """Every hour from ``since`` to ``until``, and all of them together.

    median, high: exact, by nearest rank: of n scores in order the ceil(n / 2)-th and the ceil(0.95 n)-th.
    """

    bank: str
    station: str | None
    since: datetime
    until: datetime
    hours: list[TrendHour]
    decided: ByDecision
    median: float | None
    high: float | None
    agreement: Agreement
    stations: list[str] = Field(description="Those that inspected meanwhile.")
