"""Calls about advice on a bank's settings."""

from __future__ import annotations

from nominal_client.answers.advice import Advice, BankAdvice
from nominal_client.answers.jobs import Job
from nominal_client.builds import Progress, wait_for_job
from nominal_client.call import Call, Flow, get, post
from nominal_client.streams import as_json


def start_advice(bank: str, *, within: float | None = None, groups: str | None = None) -> Call[Job]:
    """Try other settings on a part of the nominal set as it is now. Nothing is changed.

    within: seconds by the clock; left out, at most three plain builds of CPU time. groups: as of ``start_build``.
    """
    body = as_json({"within_seconds": within, "groups": groups})
    return post(Job, "/v1/banks/{}/advice", bank, body=body)


def get_advice(bank: str) -> Call[BankAdvice]:
    """The bank's newest job of this kind, and the newest advice."""
    return get(BankAdvice, "/v1/banks/{}/advice", bank)


def advise(
    bank: str,
    *,
    within: float | None = None,
    groups: str | None = None,
    progress: Progress = lambda job: None,
    seconds: float | None = None,
) -> Flow[Advice]:
    """``start_advice``, ``wait_for_job`` and the advice in one; to take it, ``update_bank(bank, config=found.change)``.

    seconds: to wait at most. Raises BuildFailed, WaitedTooLong.
    """
    job = yield from start_advice(bank, within=within, groups=groups)
    yield from wait_for_job(job.id, progress=progress, seconds=seconds)
    found = (yield from get_advice(bank)).found
    assert found is not None  # a job that has succeeded leaves one
    return found
