"""Advice on a bank's settings as people ask for it: started, looked at; and the job that the worker does for it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from app.learning.advising import FEWEST, Advising
from app.learning.banks import config_to_build
from app.learning.building import groups_of_job
from app.learning.jobs import Look, asked_groups, newest, queue
from app.learning.learn import Hooks
from app.learning.supervisor import Learning
from app.learning.task import Means, Task
from app.store.leases import Lease, Leases
from app.store.schema import Job
from core.advice.budget import check_within
from core.config import DetectorConfig
from core.errors import TooFewImages


def start(
    learning: Learning, bank: str, actor: str, within: float | None = None, groups: str | None = None
) -> Job:
    """Queued advice on the nominal set and the settings as they are now. within: seconds, None for up to three builds.

    Raises NotFound, ConfigError for a time that is none, TooFewImages, GroupsError, OneGroup, BuildAlreadyRunning.
    """
    learning.life.refuse_draining()
    row = learning.store.banks.get(bank)
    images = learning.store.images.serials(bank)
    if len(images) < FEWEST:
        remedy = "Upload photographs of good parts; with so few, build with the settings as they are."
        raise TooFewImages(f"advice needs at least {FEWEST} nominal images", str(len(images)), remedy)
    check_within(within)
    request = {
        "config": config_to_build(row, {}).to_json(),
        "groups": asked_groups(images, groups)[0],
        "within": within,
    }
    return queue(learning, bank, "advice", request, actor)


def look(learning: Learning, bank: str) -> Look[Job]:
    """How far a bank's advice is; the last one, current while the settings are those it was asked for.

    Raises NotFound.
    """
    row = learning.store.banks.get(bank)
    job, kept = newest(learning, bank, "advice")
    current = kept is not None and kept.request["config"] == config_to_build(row, {}).to_json()
    return Look(job, kept, current)


@dataclass(frozen=True)
class Advised:
    """Finished advice, as plain JSON."""

    result: dict[str, Any]

    def commit(self, leases: Leases, lease: Lease, job: Job) -> None:
        """It is kept with its job."""
        leases.found(lease, self.result)


def advise(means: Means, job: Job, task: Task) -> Advised:
    """What the worker does: the server's own backbone only, since a bank's settings do not name one.

    Raises as ``Advising.run``, and what reading a blob raises.
    """
    rows, backbone = means.store.jobs.images(job.id), means.backbones().default
    advising = Advising(
        [(row.name, partial(means.store.blobs.read, row.sha256)) for row in rows],
        {backbone.spec.name: lambda: backbone},
        DetectorConfig.from_json(job.request["config"]),
        Hooks(task.advance, task.stopping),
        means.limits(),
        groups_of_job(job, rows),
        within=job.request["within"],
        image_limits=means.settings.image_limits,
    )
    advising.run()
    found = advising.advice
    assert found is not None
    return Advised(found.to_json())
