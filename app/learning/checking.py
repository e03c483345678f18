"""One check: the images of a labelled set scored by one version, for people to see what it finds and what it misses.

Every version of a bank is tried on every set of the bank, one set a job, by the worker and after the builds. What an
image scores does not depend on its label, and decisions are taken when people look, by the thresholds of then.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any

from app.errors import ImageRefused
from app.imaging.decode import decode_photograph
from app.inspection.backbones import proven_engine
from app.inspection.engine import Engine, split_name
from app.learning.task import Means, Task
from app.store.blobs import BLOB_FAULTS
from app.store.leases import Lease, Leases
from app.store.schema import Job, JobImage
from app.store.store import Store
from core.bank import load_bank
from core.errors import Cancelled
from core.input.photograph import Photograph
from core.parallel import read_ahead

MEDIA_TYPE = "application/json"
REGIONS = 20  # of one image that are kept, the largest


@dataclass(frozen=True)
class Checked:
    """What a version scored on a set, whose bytes are a blob already."""

    sha256: str

    def commit(self, leases: Leases, lease: Lease, job: Job) -> None:
        """It takes the place of what the version scored there before."""
        leases.checked(lease, sha256=self.sha256)


def check(means: Means, job: Job, task: Task) -> Checked:
    """Score the job's images; what cannot be read is named. Raises CoreError and ModelError for a version that does
    not load here, and what reading and writing a blob raises."""
    task.advance("loading", 0, 1)
    engine = engine_of(means, job)
    rows = means.store.jobs.images(job.id)
    images: dict[str, Any] = {}
    with closing(read_ahead(partial(_read, means, engine), rows)) as photographs:
        for done, (row, read) in enumerate(zip(rows, photographs, strict=True)):
            task.advance("scoring", done, len(rows))
            _refuse_stopped(task)
            images[row.sha256] = {"problem": read} if isinstance(read, str) else _scored(engine, read)
    digests = _digests(engine)
    learnt = _learnt(means.store, job.bank, digests, rows)
    found = {"images": images, "learnt": learnt, "names_images": bool(digests)}
    task.advance("saving", 0, 1)
    data = json.dumps(found, sort_keys=True).encode()
    return Checked(means.store.blobs.put([data], limit=len(data), media_type=MEDIA_TYPE).sha256)


def follow(store: Store, bank: str, actor: str) -> Job | None:
    """A queued check of the newest version by a set that it has not been tried on; None where none is left.

    Raises NotFound, BuildAlreadyRunning while the bank is checked: the end of that check asks again.
    """
    owed = store.checks.owed(bank)
    if owed is None:
        return None
    name, version = owed
    return store.jobs.create(bank, kind="check", request={"check": name, "version": version}, actor=actor)


def engine_of(means: Means, job: Job) -> Engine:
    """Of the version that a job names. Raises CoreError and ModelError where it does not load here."""
    version = means.store.versions.get(job.bank, job.request["version"])
    with means.store.blobs.as_file(version.sha256) as path:
        bank = load_bank(path)
    return proven_engine(bank, means.settings.precision, partial(means.backbones().of, bank.backbone))


def _read(means: Means, engine: Engine, row: JobImage) -> Photograph | str:
    """The photograph as the version takes it, or why it cannot be read."""
    try:
        data = means.store.blobs.read(row.sha256)
        return decode_photograph(data, engine.bank.config.input, means.settings.image_limits)
    except (ImageRefused, *BLOB_FAULTS) as error:
        return str(error)


def _scored(engine: Engine, photograph: Photograph) -> dict[str, Any]:
    found = engine.inspect([photograph])[0]
    return {"score": found.score, "regions": [vars(region) for region in found.regions[:REGIONS]]}


def _digests(engine: Engine) -> set[str]:
    """Of the images that the version learnt; none where it was built elsewhere."""
    named = [split_name(name)[0] for name in engine.bank.provenance.images]
    return {sha256 for sha256 in named if sha256 is not None}


def _learnt(store: Store, bank: str, digests: set[str], rows: Sequence[JobImage]) -> dict[str, str]:
    """The images that the version learnt (``image``), or whose part it learnt by its serial number (``part``)."""
    serials = store.images.serials_of(bank, sorted(digests))
    found = {row.sha256: "part" for row in rows if row.serial in serials}
    return found | {row.sha256: "image" for row in rows if row.sha256 in digests}


def _refuse_stopped(task: Task) -> None:
    if task.stopping():
        raise Cancelled(
            requirement="a check must not be cancelled before its last image",
            received="the request to cancel it",
            remedy="Start it again.",
        )
