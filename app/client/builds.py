"""Calls about builds, and waiting for one: by server-sent events, by polling where they do not come."""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from app.client.bodies import Json
from app.client.call import Call, Flow, Pages, Pause, at, pages_of, parsed
from app.client.downloads import never
from app.client.errors import (
    BuildFailed,
    ClientError,
    ConnectionFailed,
    ProblemError,
    UnexpectedAnswer,
    WaitedTooLong,
)
from app.client.events import JobEvents, has_ended
from app.http.schemas.jobs import Job

POLL_SECONDS = 0.5
SILENCE = 25.0  # seconds; the server says something every ten
AWAY_SECONDS = 60.0  # that a server may be away while its job is waited for

Progress = Callable[[Job], None]


def start_build(
    bank: str,
    *,
    activate: bool = True,
    config: Mapping[str, Any] | None = None,
    idempotency_key: str | None = None,
) -> Call[Job]:
    """Build a version of the nominal set as it is now. ``config`` is for this build, over the bank's.

    Sent with an Idempotency-Key, one of its own unless given, so that it is begun once however often it is sent.
    """
    body = Json({"activate": activate, "config": dict(config or {})})
    headers = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
    path = at("/v1/banks/{}/builds", bank)
    return Call("POST", path, parsed(Job), headers=headers, body=body, repeatable=True)


def list_jobs(bank: str | None = None, state: str | None = None) -> Pages[Job]:
    """Jobs, newest first."""
    return pages_of(Job, "/v1/jobs", "before", {"bank": bank, "state": state})


def get_job(job: str) -> Call[Job]:
    """One job: its state, stage and progress."""
    return Call("GET", at("/v1/jobs/{}", job), parsed(Job))


def cancel_job(job: str) -> Call[Job]:
    """Cancel a job; a running build stops within about a second."""
    return Call("POST", at("/v1/jobs/{}/cancel", job), parsed(Job))


def wait_for_job(
    job: str, *, progress: Progress = lambda job: None, seconds: float | None = None
) -> Flow[Job]:
    """The job once it has succeeded; ``progress`` hears of it whenever it moves. A server that restarts is waited for.

    Raises BuildFailed where it failed or was cancelled, WaitedTooLong after ``seconds``.
    """
    end = math.inf if seconds is None else time.monotonic() + seconds
    heard = time.monotonic()
    while True:
        latest = yield from _follow(job, progress, end)
        if latest is None or not has_ended(latest):
            latest = yield from _look(job, progress, forgiving=time.monotonic() - heard < AWAY_SECONDS)
        if latest is not None:
            heard = time.monotonic()
            if has_ended(latest):
                return _succeeded(latest)
        if time.monotonic() >= end:
            raise _too_long(job, latest)
        yield Pause(POLL_SECONDS)


def build(
    bank: str,
    *,
    activate: bool = True,
    config: Mapping[str, Any] | None = None,
    progress: Progress = lambda job: None,
    seconds: float | None = None,
) -> Flow[Job]:
    """``start_build`` and ``wait_for_job`` in one."""
    job: Job = yield start_build(bank, activate=activate, config=config)
    return (yield from wait_for_job(job.id, progress=progress, seconds=seconds))


def _follow(job: str, progress: Progress, end: float) -> Flow[Job | None]:
    """The job as its events last told it; None where they did not come through, which a proxy may bring about."""
    call: Call[Job | None] = Call(
        "GET",
        at("/v1/jobs/{}/events", job),
        never,
        headers={"Accept": "text/event-stream"},
        sink=lambda headers: JobEvents(headers, progress, end),
        repeatable=False,
        silence=max(0.1, min(SILENCE, end - time.monotonic())),
    )
    try:
        heard: Job | None = yield call
    except (ConnectionFailed, UnexpectedAnswer):
        return None
    except ProblemError as error:
        if error.status in (401, 403, 404):
            raise
        return None
    return heard


def _look(job: str, progress: Progress, forgiving: bool) -> Flow[Job | None]:
    """The job as it is now; None where the server is away."""
    try:
        latest: Job = yield get_job(job)
    except ConnectionFailed:
        if forgiving:
            return None
        raise
    progress(latest)
    return latest


def _succeeded(job: Job) -> Job:
    if job.state != "succeeded":
        raise BuildFailed(job)
    return job


def _too_long(id: str, job: Job | None) -> ClientError:
    at_last = f"{job.state}, stage {job.stage}, {job.done} of {job.total}" if job else "no answer"
    return WaitedTooLong(
        requirement="the build must end in the time given",
        received=f"{at_last} when it had passed",
        remedy=f"Wait longer for job {id}, or cancel it.",
    )
