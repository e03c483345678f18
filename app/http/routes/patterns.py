"""Patterns of a bank's rejects: /v1/banks/{bank}/patterns."""

from __future__ import annotations

from fastapi import APIRouter, Response

from app.errors import BankWithoutVersion
from app.http import requests
from app.http.auth import Admin, Reader
from app.http.routes import BankPath, Root, Running, refuses
from app.learning import patterns
from app.store.errors import BuildAlreadyRunning, NotFound
from core.errors import TooFewImages
from nominal_client.answers import patterns as schema
from nominal_client.answers.jobs import Job

router = APIRouter(prefix="/v1/banks/{bank}", tags=["defects"])
ASKED = requests.PatternsRequest.model_validate({})


@router.post(
    "/patterns",
    status_code=202,
    responses=refuses(NotFound, BankWithoutVersion, TooFewImages, BuildAlreadyRunning),
)
def start_patterns(
    service: Running,
    actor: Admin,
    bank: BankPath,
    root: Root,
    response: Response,
    body: requests.PatternsRequest | None = None,
) -> Job:
    """Mine patterns in the newest rejects whose images are kept, reviewed false alarms left out. Answers at once.

    The active version looks at up to 300 rejects and 100 nominal images. A pattern is not a kind of defect.
    """
    actor.scope.admit_every_station()
    job = patterns.start(service.learning, bank, actor.id, (body or ASKED).patterns)
    response.headers["Location"] = f"{root}/v1/jobs/{job.id}"
    return Job.model_validate(job)


@router.get("/patterns", responses=refuses(NotFound))
def get_patterns(service: Running, actor: Reader, bank: BankPath) -> schema.BankPatterns:
    """The newest patterns: how far their job is, and what the newest that has ended found."""
    actor.scope.admit_every_station()
    look = patterns.look(service.learning, bank)
    kept = look.kept
    return schema.BankPatterns(
        job=None if look.job is None else Job.model_validate(look.job),
        found=None if kept is None else schema.Patterns.model_validate(kept.result),
        finished_at=None if kept is None else kept.finished_at,
        current=look.current,
    )
