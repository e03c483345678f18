"""Patterns of a bank's rejects as people ask for them: started, looked at; and the job that the worker does for it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from app.errors import BankWithoutVersion
from app.imaging.decode import decode_photograph
from app.inspection.engine import Engine, split_name
from app.learning.checking import engine_of
from app.learning.jobs import Look, newest, queue
from app.learning.learn import Hooks
from app.learning.mining import LEAST, Mining, Taken
from app.learning.supervisor import Learning
from app.learning.task import Means, Task
from app.store.leases import Lease, Leases
from app.store.schema import Job
from core.errors import TooFewImages
from core.input.photograph import Photograph

REJECTS, NOMINAL = 300, 100  # images at most: the newest rejects, nominal ones evenly spread
USUAL = 5  # patterns


def start(learning: Learning, bank: str, actor: str, count: int = USUAL) -> Job:
    """Queued mining of the bank's newest rejects by its active version, against its nominal images as they are now.

    Raises NotFound, BankWithoutVersion, TooFewImages, BuildAlreadyRunning while patterns of the bank are mined.
    """
    learning.life.refuse_draining()
    store = learning.store
    row = store.banks.get(bank)
    if row.active_version is None:
        raise BankWithoutVersion(
            requirement="patterns are mined by a bank's active version",
            received=f"the bank {bank}, which has none",
            remedy="Activate a version.",
        )
    rejects = len(store.kinds.rejects(bank, row.created_at, LEAST))
    nominal = len(store.images.serials(bank))
    if min(rejects, nominal) < LEAST:
        raise TooFewImages(
            requirement="patterns need at least two rejects whose images are kept and two nominal images",
            received=f"{rejects} and {nominal}",
            remedy="Keep images of rejects (NOMINAL_IMAGE_KEEP), and inspect on.",
        )
    return queue(learning, bank, "patterns", {"version": row.active_version, "patterns": count}, actor)


def look(learning: Learning, bank: str) -> Look[Job]:
    """How far a bank's mining is; the last patterns, current while their version is the active one. Raises NotFound."""
    row = learning.store.banks.get(bank)
    job, kept = newest(learning, bank, "patterns")
    current = kept is not None and kept.request["version"] == row.active_version
    return Look(job, kept, current)


@dataclass(frozen=True)
class Found:
    """Mined patterns, as plain JSON."""

    result: dict[str, Any]

    def commit(self, leases: Leases, lease: Lease, job: Job) -> None:
        """They are kept with their job."""
        leases.found(lease, self.result)


def mine(means: Means, job: Job, task: Task) -> Found:
    """What the worker does. Raises as ``Mining.run``, and CoreError and ModelError for a version that does not load."""
    task.advance("loading", 0, 1)
    engine = engine_of(means, job)
    hooks = Hooks(task.advance, task.stopping)
    mining = Mining(
        engine, _rejects(means, job, engine), _nominal(means, job, engine), job.request["patterns"], hooks
    )
    return Found(mining.run())


def _rejects(means: Means, job: Job, engine: Engine) -> list[Taken]:
    bank = means.store.banks.get(job.bank)
    rows = means.store.kinds.rejects(bank.id, bank.created_at, REJECTS)
    return [Taken(row.id, partial(_read, means, engine, row.image_sha256), row.kind) for row in rows]


def _nominal(means: Means, job: Job, engine: Engine) -> list[Taken]:
    """Each with the bank vectors that it gave, which would otherwise be its own nearest."""
    provenance, images = engine.bank.provenance, means.store.jobs.images(job.id)
    of = defaultdict[str | None, list[int]](list)
    for number, name in enumerate(provenance.images):
        of[split_name(name)[0]].append(number)
    places = np.linspace(0, len(images) - 1, min(NOMINAL, len(images))).round().astype(int)
    return [
        Taken(
            row.name, partial(_read, means, engine, row.sha256), own=_rows(provenance.image, of[row.sha256])
        )
        for row in (images[place] for place in places)
    ]


def _rows(images: np.ndarray, numbers: Sequence[int]) -> np.ndarray | None:
    """Rows of the bank that are of these images; None where it learned none of them."""
    return np.flatnonzero(np.isin(images, numbers)) if numbers else None


def _read(means: Means, engine: Engine, sha256: str) -> Photograph:
    return decode_photograph(
        means.store.blobs.read(sha256), engine.bank.config.input, means.settings.image_limits
    )
