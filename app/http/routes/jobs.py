"""Builds and jobs: /v1/banks/{bank}/builds, /v1/jobs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Response
from fastapi.responses import StreamingResponse

from app.http import requests
from app.http.auth import Admin, Reader
from app.http.routes import BankPath, Cursor, Limit, Root, Running, refuses
from app.learning import jobs as builds
from app.store.errors import BuildAlreadyRunning, IdempotencyConflict, IllegalValue, JobFinished, NotFound
from app.store.schema import ACTIVE_STATES, Job, JobKind, JobState
from core.errors import ConfigError, GroupsError, TooFewImages, TooFewNominalImages
from nominal_client.answers import Page
from nominal_client.answers import jobs as schema

router = APIRouter(tags=["builds"])
JobPath = Annotated[str, Path(description="A job's id.")]
IdempotencyKey = Annotated[
    str | None,
    Header(min_length=1, max_length=255, description="The same key within a day means the same job."),
]
EVENT = {
    "type": "object",
    "description": "Each event of the stream; its data is a Job as JSON.",
    "required": ["event", "data"],
    "properties": {
        "event": {"type": "string", "enum": ["progress", "end"]},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
}


@router.post(
    "/v1/banks/{bank}/builds",
    status_code=202,
    responses=refuses(
        NotFound, ConfigError, TooFewImages, TooFewNominalImages, GroupsError, BuildAlreadyRunning,
        IdempotencyConflict, IllegalValue,
    ),
)  # fmt: skip
def start_build(
    service: Running,
    actor: Admin,
    bank: BankPath,
    root: Root,
    response: Response,
    body: requests.BuildRequest | None = None,
    idempotency_key: IdempotencyKey = None,
) -> schema.Job:
    """Build a version from the nominal set as it is now. Answers at once with the job to watch."""
    asked = body or requests.BuildRequest.model_validate({})
    change = asked.config.model_dump(exclude_unset=True)
    job = builds.start(
        service.learning, bank, change, asked.activate, idempotency_key, actor.id, asked.groups
    )
    response.headers["Location"] = f"{root}/v1/jobs/{job.id}"
    return schema.Job.model_validate(job)


@router.get("/v1/jobs", responses=refuses())
def list_jobs(
    service: Running,
    actor: Reader,
    bank: Annotated[str | None, Query()] = None,
    state: Annotated[JobState | None, Query()] = None,
    kind: Annotated[JobKind | None, Query()] = None,
    limit: Limit = 100,
    before: Cursor = None,
) -> Page[schema.Job]:
    """Jobs, newest first."""
    if bank is not None:
        actor.scope.admit_bank(bank)
    page = service.store.jobs.page(
        bank=bank, state=state, kind=kind, before=before, limit=limit, among=actor.scope.banks
    )
    return Page(items=[schema.Job.model_validate(job) for job in page.items], next=page.next)


@router.get("/v1/jobs/{job}", responses=refuses(NotFound))
def get_job(service: Running, actor: Reader, job: JobPath) -> schema.Job:
    """One job: its state, stage and progress."""
    return schema.Job.model_validate(service.store.jobs.get(job))


@router.get(
    "/v1/jobs/{job}/events",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {"schema": EVENT}}}, **refuses(NotFound)},
)
async def stream_job_events(service: Running, actor: Reader, job: JobPath) -> StreamingResponse:
    """A job as server-sent events: `progress` whenever it moves, `end` once it has ended, then the stream closes."""
    await service.pools.background(lambda: service.store.jobs.get(job))
    return StreamingResponse(_events(builds.watch(service.learning, job)), media_type="text/event-stream")


@router.post("/v1/jobs/{job}/cancel", status_code=202, responses=refuses(NotFound, JobFinished))
def cancel_job(service: Running, actor: Admin, job: JobPath) -> schema.Job:
    """Cancel a job. A running build stops within about a second; its state says when it has."""
    return schema.Job.model_validate(builds.cancel(service.learning, job, actor.id))


async def _events(watched: AsyncIterator[Job | None]) -> AsyncIterator[str]:
    async for job in watched:
        if job is None:
            yield ": still here\n\n"
            continue
        name = "progress" if job.state in ACTIVE_STATES else "end"
        yield f"event: {name}\ndata: {schema.Job.model_validate(job).model_dump_json()}\n\n"
