"""One build: from a job's images to a blob with the bank."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import Any

from app.imaging.decode import decode_photograph
from app.inspection.thresholds import unsupported
from app.learning.learn import BuiltBank, Hooks, Named, learn, summary_of
from app.learning.sharded.hosts import cluster_hosts
from app.learning.sharded.learn import learn_sharded
from app.learning.task import Means, Task
from app.store.leases import Lease, Leases
from app.store.schema import Job, JobImage
from app.store.screenings import SET, set_digest
from core.bank import CalibrationRecord, bank_bytes, record_of
from core.config import DetectorConfig, InputConfig
from core.errors import Cancelled
from core.groups import Groups, by_parts, by_photograph
from core.input.photograph import Photograph
from models.backbone import load_backbone

NAMED_ASIDE = 100  # images that were not learned, with their reasons, in a version's summary
BANK_MEDIA_TYPE = "application/vnd.nominal.bank"


@dataclass(frozen=True)
class Built:
    """A finished bank, whose bytes are a blob already."""

    sha256: str
    bytes: int
    summary: dict[str, Any]
    record: CalibrationRecord

    def commit(self, leases: Leases, lease: Lease, job: Job) -> None:
        """It becomes the bank's next version, and the active one if it supports the rates that the bank has by now."""
        leases.succeed(
            lease,
            sha256=self.sha256,
            size=self.bytes,
            summary=self.summary,
            activate=bool(job.request.get("activate", True)),
            unsupported=lambda bank: unsupported(bank, self.record),
        )


def build(means: Means, job: Job, task: Task) -> Built:
    """A bank of the job's images. Raises as ``learn``, and what reading and writing a blob raises."""
    started = time.monotonic()
    config = DetectorConfig.from_json(job.request["config"])
    rows = means.store.jobs.images(job.id)
    learned = _learned(means, job, task, rows, config)
    bank = learned.bank
    task.advance("saving", 0, 1)
    data = bank_bytes(bank)
    staged = means.store.blobs.put([data], limit=len(data), media_type=BANK_MEDIA_TYPE)
    took = {"build_seconds": time.monotonic() - started, "stage_seconds": task.stages()}
    aside = [{"image": name, "reason": reason} for name, reason in learned.skipped[:NAMED_ASIDE]]
    seen = {SET: set_digest(row.sha256 for row in rows), "notices": list(learned.notices), "left_out": aside}
    built = Built(staged.sha256, staged.bytes, summary_of(bank) | seen | took, record_of(bank))
    if job.request.get("activate", True):
        _have_warm(means, job, task, built)
    return built


def _learned(means: Means, job: Job, task: Task, rows: list[JobImage], config: DetectorConfig) -> BuiltBank:
    """On this machine, or by the cluster that the settings name."""
    backbone, groups = means.backbones().default, groups_of_job(job, rows)
    hooks, settings = Hooks(task.advance, task.stopping), means.settings
    if settings.cluster is None:
        return learn(_images(means, rows, config.input), backbone, config, hooks, means.limits(), groups)
    files = [(f"{row.sha256}/{row.name}", partial(means.store.blobs.read, row.sha256)) for row in rows]
    fetched = partial(
        load_backbone, backbone.spec.name, settings.weights, False, backbone.runtime, 1, backbone.precision
    )
    start = partial(cluster_hosts, settings.cluster)
    limits = settings.image_limits
    return learn_sharded(files, backbone, fetched, config, start, limits, hooks, means.limits(), groups)


def groups_of_job(job: Job, rows: list[JobImage]) -> Groups | None:
    """Which of a job's images show one part; None has them found. Raises GroupsError, OneGroup."""
    match job.request.get("groups"):
        case "serial":
            return by_parts([row.serial or "" for row in rows])
        case "none":
            return by_photograph(len(rows))
    return None


def _have_warm(means: Means, job: Job, task: Task, built: Built) -> None:
    """Raises Cancelled; a worker that must leave keeps what it has built."""
    task.advance("warming", 0, 1)
    means.warm(job, built.sha256, task.stopping)
    if task.stopped_for == "cancelled":
        raise Cancelled(
            requirement="a build must not be cancelled before its version is activated",
            received="the request to cancel it",
            remedy="Start it again.",
        )


def _images(means: Means, rows: list[JobImage], config: InputConfig) -> list[Named]:
    """Images under the names a bank keeps, read from their blobs."""

    def read(sha256: str) -> Photograph:
        return decode_photograph(means.store.blobs.read(sha256), config, means.settings.image_limits)

    return [(f"{row.sha256}/{row.name}", partial(read, row.sha256)) for row in rows]
