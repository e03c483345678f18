"""Screenings of nominal sets as people ask for them: started, looked at, a suspect's picture."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from app.imaging.pictures import thumbnail
from app.inspection.viewing import viewed
from app.learning.banks import config_to_build, read_image
from app.learning.jobs import Look, asked_groups, queue
from app.learning.reporting import drawn
from app.learning.supervisor import Learning
from app.store.database import present
from app.store.ids import shown
from app.store.schema import Job, Screening
from core.config import EXPECTED_SUSPECTS
from core.errors import TooFewImages
from core.screening.screening import check_expected

JsonObject = dict[str, Any]


def start(
    learning: Learning, bank: str, actor: str, expected: float = EXPECTED_SUSPECTS, groups: str | None = None
) -> Job:
    """A queued screening of the nominal set as it is now, with the config of a build. groups: as of a build.

    Raises NotFound, ConfigError for a share outside (0, 1), TooFewImages, GroupsError, OneGroup,
    BuildAlreadyRunning.
    """
    learning.life.refuse_draining()
    row = learning.store.banks.get(bank)
    images = learning.store.images.serials(bank)
    if len(images) < 2:
        remedy = "Upload photographs of good parts; hundreds of parts show what is usual among them."
        raise TooFewImages("a screening needs at least two nominal images", str(len(images)), remedy)
    request = {
        "config": config_to_build(row, {}).to_json(),
        "groups": asked_groups(images, groups)[0],
        "expected": check_expected(expected),
    }
    return queue(learning, bank, "screening", request, actor)


def look(learning: Learning, bank: str) -> Look[Screening]:
    """How far a bank's screening is; the last one, current while the nominal set is the one that it looked over.

    Raises NotFound.
    """
    store = learning.store
    kept = store.screenings.latest(bank)
    jobs = store.jobs.page(bank=bank, kind="screening", limit=1).items
    current = kept is not None and kept.set_sha256 == store.screenings.present_set(bank)
    return Look(jobs[0] if jobs else None, kept, current)


def report_of(learning: Learning, kept: Screening) -> JsonObject:
    """What it found, as plain JSON. Raises BlobMissing, BlobCorrupt."""
    found: JsonObject = _document(learning, kept)["report"]
    return found


def of_version(learning: Learning, bank: str, number: int) -> Screening:
    """The screening of the set that a version was built from. Raises NotFound."""
    return present(
        learning.store.screenings.of_version(learning.store.versions.get(bank, number)),
        "the set that the version was built from must have been screened",
        f"no report for version {number} of {bank}",
        f"Screen the nominal set before it changes: POST /v1/banks/{bank}/screening.",
    )


async def picture(learning: Learning, bank: str, sha256: str, side: int, version: int | None = None) -> bytes:
    """A suspect with its map over it, a JPEG of at most ``side`` pixels each way.

    version: whose report names it; None for the newest report. Raises NotFound, BlobMissing, BlobCorrupt.
    """
    background = learning.pools.background
    document = await background(partial(_found_document, learning, bank, version))
    document = present(
        document if document is not None and sha256 in document["maps"] else None,
        "the image must be a suspect of the report",
        shown(sha256),
        f"Read the report: GET /v1/banks/{bank}/{'' if version is None else f'versions/{version}/'}screening.",
    )
    data = await background(partial(read_image, learning, bank, sha256))
    bits = document["report"]["settings"]["config"]["input"].get("significant_bits")
    return await viewed(
        learning.inspecting, bank, data, lambda image: thumbnail(drawn(document, sha256, image), side), bits
    )


def _found_document(learning: Learning, bank: str, version: int | None) -> JsonObject | None:
    kept = learning.store.screenings.latest(bank) if version is None else of_version(learning, bank, version)
    return None if kept is None else _document(learning, kept)


def _document(learning: Learning, kept: Screening) -> JsonObject:
    found: JsonObject = json.loads(learning.store.blobs.read(kept.sha256))
    return found
