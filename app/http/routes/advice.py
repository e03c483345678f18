"""Advice on a bank's settings: /v1/banks/{bank}/advice."""

from __future__ import annotations

from fastapi import APIRouter, Response

from app.http import requests
from app.http.auth import Admin, Reader
from app.http.routes import BankPath, Root, Running, refuses
from app.learning import advices
from app.store.errors import BuildAlreadyRunning, NotFound
from core.errors import ConfigError, GroupsError, TooFewImages
from nominal_client.answers import advice as schema
from nominal_client.answers.jobs import Job

router = APIRouter(prefix="/v1/banks/{bank}", tags=["advice"])
ASKED = requests.AdviceRequest.model_validate({})


@router.post(
    "/advice",
    status_code=202,
    responses=refuses(NotFound, ConfigError, TooFewImages, GroupsError, BuildAlreadyRunning),
)
def start_advice(
    service: Running,
    actor: Admin,
    bank: BankPath,
    root: Root,
    response: Response,
    body: requests.AdviceRequest | None = None,
) -> Job:
    """Try other settings on a part of the nominal set, and say what to take. Answers at once with the job to watch.

    Nothing is changed: `PATCH /v1/banks/{bank}` with the advice's `change` as `config` takes it for the next build.
    """
    asked = body or ASKED
    job = advices.start(service.learning, bank, actor.id, asked.within_seconds, asked.groups)
    response.headers["Location"] = f"{root}/v1/jobs/{job.id}"
    return Job.model_validate(job)


@router.get("/advice", responses=refuses(NotFound))
def get_advice(service: Running, actor: Reader, bank: BankPath) -> schema.BankAdvice:
    """The newest advice: how far its job is, and what the newest that has ended says."""
    look = advices.look(service.learning, bank)
    kept = look.kept
    return schema.BankAdvice(
        job=None if look.job is None else Job.model_validate(look.job),
        found=None if kept is None else schema.Advice.model_validate(kept.result),
        finished_at=None if kept is None else kept.finished_at,
        current=look.current,
    )
