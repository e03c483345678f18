"""Calls about builds and the versions they make. A build is watched by its events, and polled where none arrive."""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from pydantic import ValidationError

from nominal_client.answers.banks import BankDetail
from nominal_client.answers.jobs import Job, Version, VersionList
from nominal_client.answers.screenings import Report, Screening
from nominal_client.banks import get_bank, if_match
from nominal_client.call import (
    SLOW,
    Call,
    Flow,
    Pages,
    Pause,
    at,
    get,
    never,
    nothing,
    pages_of,
    parsed,
    post,
)
from nominal_client.errors import (
    BadArgument,
    BuildFailed,
    ClientError,
    ConnectionFailed,
    ProblemError,
    UnexpectedAnswer,
    WaitedTooLong,
)
from nominal_client.images import FilePath
from nominal_client.streams import Sink, as_json, one_file, saved

POLL_SECONDS = 0.5
SILENCE = 25.0  # seconds; the server sends something every ten
AWAY_SECONDS = 60.0  # that a server may be away while a caller waits for its job
LONGEST = 1 << 20  # bytes of one event
BANK_FILE = "application/vnd.nominal.bank"

_foreign = partial(
    UnexpectedAnswer,
    requirement="a job's events must be a stream of server-sent events",
    remedy="Check what stands between client and server; the job can be polled.",
)

Progress = Callable[[Job], None]
Config = Mapping[str, Any] | None


def start_build(
    bank: str,
    *,
    activate: bool = True,
    config: Config = None,
    groups: str | None = None,
    idempotency_key: str | None = None,
) -> Call[Job]:
    """Build a version of the nominal set as it is now. ``config`` overrides the bank's for this build.

    groups: ``serial`` takes images of one serial number for one part, ``auto`` those that look alike, ``none`` each for
    a part of its own; by default ``serial`` where uploaded images have one, else ``auto``.

    An Idempotency-Key, a new one unless given, makes it start only once however often it is sent.
    """
    body = as_json({"activate": activate, "config": dict(config or {}), "groups": groups})
    headers = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
    return post(Job, "/v1/banks/{}/builds", bank, headers=headers, body=body, repeatable=True)


def list_jobs(bank: str | None = None, state: str | None = None, kind: str | None = None) -> Pages[Job]:
    """Jobs, newest first; kind: build, screening, check or advice."""
    return pages_of(Job, "/v1/jobs", "before", {"bank": bank, "state": state, "kind": kind})


def get_job(job: str) -> Call[Job]:
    """One job: its state, stage and progress."""
    return get(Job, "/v1/jobs/{}", job)


def cancel_job(job: str) -> Call[Job]:
    """Cancel a job; a running build stops within about a second."""
    return post(Job, "/v1/jobs/{}/cancel", job)


def wait_for_job(
    job: str, *, progress: Progress = lambda job: None, seconds: float | None = None
) -> Flow[Job]:
    """The job once it has succeeded; ``progress`` receives every change of it. Waits for a server that restarts.

    Raises BuildFailed if it failed or was cancelled, WaitedTooLong after ``seconds``.
    """
    end = math.inf if seconds is None else time.monotonic() + seconds
    heard = time.monotonic()
    while True:
        latest = yield from _follow(job, progress, end)
        if latest is None or not _has_ended(latest):
            latest = yield from _look(job, progress, forgiving=time.monotonic() - heard < AWAY_SECONDS)
        if latest is not None:
            heard = time.monotonic()
            if _has_ended(latest):
                if latest.state != "succeeded":
                    raise BuildFailed(latest)
                return latest
        if time.monotonic() >= end:
            raise _too_long(job, latest)
        yield Pause(POLL_SECONDS)


def build(
    bank: str,
    *,
    activate: bool = True,
    config: Mapping[str, Any] | None = None,
    groups: str | None = None,
    progress: Progress = lambda job: None,
    seconds: float | None = None,
) -> Flow[Job]:
    """``start_build`` and ``wait_for_job`` in one."""
    job = yield from start_build(bank, activate=activate, config=config, groups=groups)
    return (yield from wait_for_job(job.id, progress=progress, seconds=seconds))


def start_screening(bank: str, *, expected: float | None = None, groups: str | None = None) -> Call[Job]:
    """Look over the nominal set as it is now: parts, copies, suspects, mixtures. Nothing is removed.

    expected: share of images that may not belong; twice as many are listed. groups: as of ``start_build``.
    """
    said = {"groups": groups} if expected is None else {"groups": groups, "expected": expected}
    body = as_json(said)
    return post(Job, "/v1/banks/{}/screening", bank, body=body)


def get_screening(bank: str) -> Call[Screening]:
    """The bank's newest screening job, and the newest report."""
    return get(Screening, "/v1/banks/{}/screening", bank)


def get_version_screening(bank: str, version: int) -> Call[Report]:
    """The report on the set that a version was built from."""
    return get(Report, "/v1/banks/{}/versions/{}/screening", bank, version)


def get_suspect_overlay(bank: str, sha256: str, side: int = 512) -> Call[bytes]:
    """A suspect of the newest report, a JPEG with where it differs from the others laid over it."""
    return get(bytes, "/v1/banks/{}/screening/suspects/{}/overlay", bank, sha256, side=side)


def get_version_suspect_overlay(bank: str, version: int, sha256: str, side: int = 512) -> Call[bytes]:
    """The same for a suspect of a version's report, as long as the image is in the nominal set."""
    return get(
        bytes, "/v1/banks/{}/versions/{}/screening/suspects/{}/overlay", bank, version, sha256, side=side
    )


def screen(
    bank: str,
    *,
    expected: float | None = None,
    groups: str | None = None,
    progress: Progress = lambda job: None,
    seconds: float | None = None,
) -> Flow[Report]:
    """``start_screening``, ``wait_for_job`` and the report in one. Raises BuildFailed, WaitedTooLong."""
    job = yield from start_screening(bank, expected=expected, groups=groups)
    yield from wait_for_job(job.id, progress=progress, seconds=seconds)
    found = (yield from get_screening(bank)).found
    assert found is not None  # its job has succeeded
    return found


def list_versions(bank: str) -> Call[list[Version]]:
    """All versions, newest first."""
    whole = parsed(VersionList)
    return Call("GET", at("/v1/banks/{}/versions", bank), lambda response: whole(response).items)


def get_version(bank: str, version: int) -> Call[Version]:
    """One version: its content and what its threshold promises."""
    return get(Version, "/v1/banks/{}/versions/{}", bank, version)


def activate_version(bank: str, version: int, *, revision: int | None = None) -> Call[BankDetail]:
    """Serve this version from now on; refused as stale if ``revision`` is given and is not the bank's."""
    path, repeatable = "/v1/banks/{}/versions/{}/activate", revision is None
    headers = if_match(revision)
    return post(BankDetail, path, bank, version, headers=headers, repeatable=repeatable, silence=SLOW)


def roll_back(bank: str) -> Flow[BankDetail]:
    """Activate the newest sound version older than the active one."""
    row = yield from get_bank(bank)
    versions = yield from list_versions(bank)
    active = row.active_version or 0
    older = [version.number for version in versions if version.number < active and version.state == "ok"]
    if not older:
        raise BadArgument(
            requirement="rolling back needs a sound version before the active one",
            received=f"the bank {bank} with version {row.active_version} active and none before it",
            remedy="Activate a version by its number, or build a new one.",
        )
    return (yield from activate_version(bank, max(older), revision=row.revision))


def delete_version(bank: str, version: int) -> Call[None]:
    """Delete a version that is not active."""
    return Call("DELETE", at("/v1/banks/{}/versions/{}", bank, version), nothing)


def download_version(bank: str, version: int, path: FilePath) -> Call[Path]:
    """Save a version as a bank file, whole and with the digest that the server reports, or not at all."""
    address = at("/v1/banks/{}/versions/{}/bundle", bank, version)
    return Call("GET", address, never, sink=partial(saved, path), silence=SLOW)


def import_version(bank: str, path: FilePath, *, activate: bool = False) -> Call[Version]:
    """Import a bank file as the bank's next version, once the server has verified it."""
    body, params = one_file(path, BANK_FILE), {"activate": activate}
    return post(Version, "/v1/banks/{}/import", bank, params=params, body=body, silence=SLOW)


def _follow(job: str, progress: Progress, end: float) -> Flow[Job | None]:
    """The job in its last event; None where no events came through, which may be a proxy's doing."""
    call: Call[Job | None] = Call(
        "GET",
        at("/v1/jobs/{}/events", job),
        never,
        headers={"Accept": "text/event-stream"},
        sink=partial(_job_events, progress, end),
        repeatable=False,
        silence=max(0.1, min(SILENCE, end - time.monotonic())),
    )
    try:
        return (yield from call)
    except (ConnectionFailed, UnexpectedAnswer):
        return None
    except ProblemError as error:
        if error.status in (401, 403, 404):
            raise
        return None


def _look(job: str, progress: Progress, forgiving: bool) -> Flow[Job | None]:
    """The job as it is now; None where the server is away."""
    try:
        latest = yield from get_job(job)
    except ConnectionFailed:
        if forgiving:
            return None
        raise
    progress(latest)
    return latest


def _too_long(id: str, job: Job | None) -> ClientError:
    at_last = f"{job.state}, stage {job.stage}, {job.done} of {job.total}" if job else "no answer"
    return WaitedTooLong(
        requirement="the build must end in the time given",
        received=f"{at_last} when it was over",
        remedy=f"Wait longer for job {id}, or cancel it.",
    )


def _job_events(progress: Progress, end: float, headers: httpx.Headers) -> Sink[Job | None]:
    """The job in the last of its server-sent events (WHATWG HTML, 9.2), each the whole job as JSON; None without one.

    Ends with the job, or at the monotonic second ``end``. Raises UnexpectedAnswer for a stream of anything else.
    """
    if not headers.get("content-type", "").startswith("text/event-stream"):
        raise _foreign(received=f"the type {headers.get('content-type')!a}")
    job, pending = None, b""
    while chunk := (yield):
        *blocks, pending = (pending + chunk).replace(b"\r\n", b"\n").split(b"\n\n")
        if len(pending) > LONGEST:
            raise _foreign(received="an event without end")
        for data in filter(None, map(_data, blocks)):  # a block without data keeps the connection alive
            try:
                job = Job.model_validate_json(data)
            except ValidationError as error:
                raise _foreign(received="an event that is not a job") from error
            progress(job)
        if time.monotonic() >= end or (job is not None and _has_ended(job)):
            break
    return job


def _data(block: bytes) -> bytes:
    lines = (line[5:].removeprefix(b" ") for line in block.split(b"\n") if line.startswith(b"data:"))
    return b"\n".join(lines)


def _has_ended(job: Job) -> bool:
    return job.state not in ("queued", "running")
