"""What a version finds and misses of a check set, by the thresholds that it has, or would have as the active one.

Scores are those that the worker kept (app/learning/checking.py), labels those that the images have now: neither a new
threshold nor a corrected label needs another run. An image that the version learnt is named and not counted.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import numpy as np

from app.errors import PictureUnavailable
from app.imaging.datasets import GOOD
from app.imaging.pictures import Kind, Picture
from app.insight.held_out import drawn_by
from app.inspection.inspecting import Inspecting
from app.inspection.thresholds import effective, wish_with
from app.store.database import present
from app.store.errors import BlobCorrupt, BlobMissing
from app.store.schema import CheckImage, CheckRun, Decision, Version
from core.errors import CoreError
from core.judging.exploration import Share, share
from core.judging.scoring import Thresholds, decide
from core.metrics.evaluation import auroc

Outcome = Literal["missed", "false_alarm", "found", "passed", "undecided", "learnt", "unreadable", "unscored"]
FIRST: tuple[Outcome, ...] = (
    "missed", "false_alarm", "unreadable", "undecided", "found", "passed", "learnt", "unscored",
)  # fmt: skip
COUNTED: frozenset[Outcome] = frozenset({"missed", "false_alarm", "found", "passed"})
FEW = 20  # images, up to which a sentence says how little they show
SHOWN = 20  # versions of one set, the newest


@dataclass(frozen=True)
class CheckedImage:
    """An image of the set and what became of it. learnt: ``image`` or ``part``; problem: why it has no score."""

    image: CheckImage
    outcome: Outcome
    score: float | None = None
    decision: Decision | None = None
    learnt: str | None = None
    problem: str | None = None
    regions: Sequence[dict[str, Any]] = ()


@dataclass(frozen=True)
class KindFound:
    """Of a kind of defect, how many are found: not accepted."""

    kind: str
    found: Share


@dataclass(frozen=True, eq=False)
class Tried:
    """One version on one set. thresholds: None with the ``reason`` where there are none; nothing is decided then.

    images: misses first, then false alarms. found, alarms: of the defects and of the good images that count, those
    that are not accepted. auroc: None unless both sides are there.
    """

    version: int
    created_at: datetime
    thresholds: Thresholds | None
    reason: str | None
    images: Sequence[CheckedImage]
    found: Share
    alarms: Share
    auroc: float | None
    kinds: Sequence[KindFound]
    says: Sequence[str]

    @property
    def missed(self) -> int:
        """Defects that are accepted."""
        return self.found.total - self.found.count

    def of(self, *outcomes: Outcome) -> list[CheckedImage]:
        """The images of these outcomes."""
        return [each for each in self.images if each.outcome in outcomes]


def tried(inspecting: Inspecting, bank: str, name: str, also: int | None = None) -> list[Tried]:
    """The newest ``SHOWN`` versions that were tried on a set, and the version ``also``, the newest first.

    Raises NotFound, BlobMissing, BlobCorrupt.
    """
    images = inspecting.store.checks.images(bank, name)
    every = inspecting.store.checks.runs(bank, name)
    runs = [each for place, each in enumerate(every) if place < SHOWN or each[1].number == also]
    return [_tried(inspecting, images, run, version) for run, version in runs]


def tried_version(inspecting: Inspecting, bank: str, name: str, number: int) -> Tried:
    """One of them. Raises as ``tried``, and NotFound where the version has not been tried on the set."""
    images = inspecting.store.checks.images(bank, name)
    runs = inspecting.store.checks.runs(bank, name)
    found = present(
        next((each for each in runs if each[1].number == number), None),
        "the version must have been tried on the check set",
        f"version {number} of {bank}, which has no check on {name}",
        f"Start one: POST /v1/banks/{bank}/checks/{name}/runs.",
    )
    return _tried(inspecting, images, *found)


async def drawn(
    inspecting: Inspecting, bank: str, name: str, number: int, sha256: str, kind: Kind
) -> tuple[Picture, float]:
    """An image's map by a version, and the map threshold; between inspections.

    Raises NotFound, PictureUnavailable, VersionUnusable, ImageRefused, Overloaded.
    """
    store, run = inspecting.store, inspecting.pools.background
    version = await run(lambda: store.versions.get(bank, number))
    image = await run(lambda: store.checks.image(bank, name, sha256))
    try:
        body = await run(lambda: store.blobs.read(image.sha256))
    except BlobMissing:
        raise PictureUnavailable(
            "the map of an image needs the image", "one that is gone", "Send it again."
        ) from None
    return await drawn_by(inspecting, version, body, kind, lambda engine, taken: engine.inspect([taken])[0])


def _tried(inspecting: Inspecting, images: Sequence[CheckImage], run: CheckRun, version: Version) -> Tried:
    kept = json.loads(inspecting.store.blobs.read(run.sha256))
    thresholds, reason = _thresholds(inspecting, version)
    judged = [_judged(each, kept, thresholds) for each in images]
    judged.sort(key=_order)
    kinds = sorted({each.image.kind for each in judged} - {GOOD})
    found, alarms = _share(judged, kinds), _share(judged, [GOOD])
    return Tried(
        version=version.number,
        created_at=run.created_at,
        thresholds=thresholds,
        reason=reason,
        images=judged,
        found=found,
        alarms=alarms,
        auroc=_auroc(judged),
        kinds=[KindFound(kind, _share(judged, [kind])) for kind in kinds],
        says=[*_says(judged, found, alarms, kept["names_images"])],
    )


def _thresholds(inspecting: Inspecting, version: Version) -> tuple[Thresholds | None, str | None]:
    try:
        row = inspecting.store.banks.get(version.bank)
        return effective(wish_with(row, version), inspecting.calibrations.of(version)), None
    except (CoreError, BlobMissing, BlobCorrupt) as error:
        return None, str(error)


def _judged(image: CheckImage, kept: dict[str, Any], thresholds: Thresholds | None) -> CheckedImage:
    said = kept["images"].get(image.sha256)
    if said is None:
        return CheckedImage(image, "unscored")
    if "problem" in said:
        return CheckedImage(image, "unreadable", problem=said["problem"])
    score, regions, learnt = said["score"], said["regions"], kept["learnt"].get(image.sha256)
    decision = None if thresholds is None else decide(score, thresholds)
    outcome = "learnt" if learnt else _outcome(image.kind == GOOD, decision)
    return CheckedImage(image, outcome, score, decision, learnt, regions=regions)


def _outcome(good: bool, decision: Decision | None) -> Outcome:
    if decision is None:
        return "undecided"
    if decision == "accept":
        return "passed" if good else "missed"
    return "false_alarm" if good else "found"


def _order(each: CheckedImage) -> tuple[int, float, str]:
    """Misses first, the least suspicious before; then false alarms, the most suspicious before."""
    score = each.score or 0.0
    return FIRST.index(each.outcome), -score if each.image.kind == GOOD else score, each.image.sha256


def _share(judged: Iterable[CheckedImage], kinds: Collection[str]) -> Share:
    """Of the images of these kinds that count, those that are not accepted."""
    counted = [each for each in judged if each.outcome in COUNTED and each.image.kind in kinds]
    return share(sum(each.decision != "accept" for each in counted), len(counted))


def _auroc(judged: Sequence[CheckedImage]) -> float | None:
    """Of what is scored and was not learnt; the same function as of ``nominal eval``."""
    scored = [each for each in judged if each.score is not None and each.learnt is None]
    defective = np.asarray([each.image.kind != GOOD for each in scored], dtype=bool)
    if not 0 < np.count_nonzero(defective) < len(scored):
        return None
    return auroc(np.asarray([each.score for each in scored]), defective)


def _says(judged: Sequence[CheckedImage], found: Share, alarms: Share, names_images: bool) -> Iterable[str]:
    """What a person must know before believing the figures. names_images: whether the version says what it learnt."""
    counts = {outcome: sum(each.outcome == outcome for each in judged) for outcome in FIRST}
    if not names_images:
        yield "The version was built elsewhere: whether it learnt any of these images is not known."
    if counts["learnt"]:
        yield (
            f"Not counted: {_images(counts['learnt'])} that the version learnt, or whose part it learnt from other "
            "images."
        )
    if counts["unreadable"]:
        yield f"Not counted: {_images(counts['unreadable'])} that cannot be read."
    if counts["unscored"]:
        yield f"Not counted: {_images(counts['unscored'])} that came after this check. Run it again."
    if 0 < found.total <= FEW:
        yield f"Few defects: {_range(found)} of defects like these {found.total} may be found."
    if 0 < alarms.total <= FEW:
        yield f"Few good images: {_range(alarms)} of good parts like these {alarms.total} may be false alarms."
    if not found.total and alarms.total:
        yield "No defect is counted: the figures say nothing of what is missed."
    if not alarms.total and found.total:
        yield "No good image is counted: the figures say nothing of false alarms."


def _images(count: int) -> str:
    return f"{count:,} image{'s' * (count != 1)}"


def _range(share: Share) -> str:
    return f"from {100 * share.low:.0f} % to {100 * share.high:.0f} %"
