"""One screening: from a job's images to a blob with the report, and with the maps that its pictures are drawn from."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import UInt8

from app.imaging.pictures import FADING, SMALLEST, overlay
from app.learning.building import groups_of_job
from app.learning.learn import Hooks
from app.learning.screening import Screened, screened
from app.learning.task import Means, Task
from app.store.leases import Lease, Leases
from app.store.schema import Job, JobImage
from app.store.screenings import set_digest
from core.config import EXPECTED_SUSPECTS, DetectorConfig
from core.input.preprocess import frame
from core.judging.heatmap import heatmap

REPORT_MEDIA_TYPE = "application/json"
FLOATS = "<f4"


@dataclass(frozen=True)
class Reported:
    """A finished report, whose bytes are a blob already. set_sha256: of the nominal set it is about."""

    sha256: str
    set_sha256: str

    def commit(self, leases: Leases, lease: Lease, job: Job) -> None:
        """It becomes the newest of its bank."""
        leases.screened(lease, sha256=self.sha256, set_sha256=self.set_sha256)


def report(means: Means, job: Job, task: Task) -> Reported:
    """Look over the job's images. Raises as ``screened``, and what reading and writing a blob raises."""
    config = DetectorConfig.from_json(job.request["config"])
    rows = means.store.jobs.images(job.id)
    found = screened(
        [(row.sha256, partial(means.store.blobs.read, row.sha256)) for row in rows],
        means.backbones().default,
        config,
        Hooks(task.advance, task.stopping),
        means.limits(),
        groups_of_job(job, rows),
        job.request.get("expected", EXPECTED_SUSPECTS),
        image_limits=means.settings.image_limits,
    )
    task.advance("saving", 0, 1)
    data = json.dumps(_document(found, rows)).encode()
    staged = means.store.blobs.put([data], limit=len(data), media_type=REPORT_MEDIA_TYPE)
    return Reported(staged.sha256, set_digest(row.sha256 for row in rows))


def _document(found: Screened, rows: list[JobImage]) -> dict[str, Any]:
    """The report, in which images go by their sha256, and each suspect's distances."""
    core = found.found
    maps = {core.names[each.image]: _packed(each.distances) for each in core.suspects}
    return {
        "report": {"names": {row.sha256: row.name for row in rows}, **found.document()},
        "maps": maps,
        "sigma": core.drawn[0],
        "offset": core.drawn[1],
    }


def _packed(distances: np.ndarray) -> dict[str, Any]:
    data = base64.b64encode(distances.astype(FLOATS).tobytes()).decode()
    return {"shape": list(distances.shape), "data": data}


def drawn(
    document: dict[str, Any], sha256: str, image: UInt8[np.ndarray, "h w 3"]
) -> UInt8[np.ndarray, "h w 3"]:
    """A suspect with its map over it. Raises KeyError for an image that is not one."""
    packed = document["maps"][sha256]
    distances = np.frombuffer(base64.b64decode(packed["data"]), FLOATS).reshape(packed["shape"])
    config = DetectorConfig.from_json(document["report"]["settings"]["config"])
    place = frame(config.input, *image.shape[:2])
    heat = heatmap(distances.astype(np.float32), place, document["sigma"], document["offset"])
    return overlay(image, heat, max(document["report"]["map_level"], SMALLEST), opacities=FADING)
