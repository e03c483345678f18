"""One batch for the inference thread: what waits, what it weighs, how it is computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.inspection.engine import Inspection
from app.inspection.registry import Key, Loaded
from core.input.photograph import Photograph
from core.judging.calibration import Thresholds

BATCH_PIXELS = 2 << 20  # of input that pass the backbone together: 32 at 256 pixels a side, 2 at 1,024


@dataclass(frozen=True, eq=False)
class Work:
    """What waits in the queue; it holds its version, which may leave the memory meanwhile."""

    image: Photograph
    thresholds: Thresholds
    loaded: Loaded


def image_bytes(work: Work) -> int:
    """What a waiting image weighs."""
    return work.image.pixels.nbytes


def run_batch(key: Key, works: Sequence[Work]) -> list[Inspection]:
    """What the batcher calls on the inference thread: one call of the engine, or some where inputs are large."""
    engine = works[0].loaded.engine
    most = max(1, BATCH_PIXELS // engine.bank.config.input.size**2)
    same: dict[Thresholds, list[int]] = {}
    for i, work in enumerate(works):
        same.setdefault(work.thresholds, []).append(i)
    answers: dict[int, Inspection] = {}
    for thresholds, members in same.items():
        for some in (members[i : i + most] for i in range(0, len(members), most)):
            found = engine.inspect([works[i].image for i in some], thresholds)
            answers.update(zip(some, found, strict=True))
    return [answers[i] for i in range(len(works))]
