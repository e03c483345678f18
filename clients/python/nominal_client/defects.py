"""Calls about defects: similar past inspections, the kinds that people name, patterns, reports."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from pathlib import Path

from nominal_client.answers.defects import (
    Kind,
    KindList,
    KindRenamed,
    Pareto,
    ParetoAcrossBanks,
    SimilarInspections,
)
from nominal_client.answers.jobs import Job
from nominal_client.answers.patterns import BankPatterns, Patterns
from nominal_client.builds import Progress, wait_for_job
from nominal_client.call import Call, Flow, at, get, never, parsed, post
from nominal_client.images import FilePath
from nominal_client.streams import as_json, saved


def list_similar_inspections(
    inspection: str, *, k: int = 10, reviewed: bool | None = None, siblings: bool = False
) -> Call[SimilarInspections]:
    """Past inspections whose worst places look most like this one's, with their verdicts and kinds; at most 100.

    reviewed: only those with a verdict, or without. siblings: other photographs of the same part too.
    """
    return get(
        SimilarInspections,
        "/v1/inspections/{}/similar",
        inspection,
        k=k,
        reviewed=reviewed,
        siblings=siblings,
    )


def list_kinds(bank: str) -> Call[list[Kind]]:
    """The kinds of defects that reviews of a bank name, the most frequent first."""
    whole = parsed(KindList)
    return Call("GET", at("/v1/banks/{}/kinds", bank), lambda response: whole(response).items)


def rename_kind(bank: str, old: str, new: str) -> Call[KindRenamed]:
    """Call a kind by another name; where that is another kind's, the two become one."""
    return post(KindRenamed, "/v1/banks/{}/kinds/rename", bank, body=as_json({"from": old, "to": new}))


def get_pareto(
    bank: str, *, since: datetime | None = None, until: datetime | None = None, station: str | None = None
) -> Call[Pareto]:
    """A bank's defects by kind, the most frequent first; unnamed ones in groups. The last 7 days, or up to 31."""
    return get(Pareto, "/v1/banks/{}/pareto", bank, **_within(since, until, station))


def export_pareto(
    bank: str,
    path: FilePath,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    station: str | None = None,
) -> Call[Path]:
    """Save the same as CSV: a line per kind or group, a column per day."""
    return _saved(at("/v1/banks/{}/pareto/export", bank), path, _within(since, until, station))


def get_pareto_across_banks(
    *, since: datetime | None = None, until: datetime | None = None, station: str | None = None
) -> Call[ParetoAcrossBanks]:
    """The defects of every bank by kind, with the banks that have them. The last 7 days, or up to 31."""
    return get(ParetoAcrossBanks, "/v1/pareto", **_within(since, until, station))


def export_pareto_across_banks(
    path: FilePath,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    station: str | None = None,
) -> Call[Path]:
    """Save the same as CSV: a line per kind and bank."""
    return _saved("/v1/pareto/export", path, _within(since, until, station))


def start_patterns(bank: str, *, patterns: int | None = None) -> Call[Job]:
    """Mine patterns in the newest rejects whose images are kept; so many on each input, 5 unless said."""
    body = as_json({} if patterns is None else {"patterns": patterns})
    return post(Job, "/v1/banks/{}/patterns", bank, body=body)


def get_patterns(bank: str) -> Call[BankPatterns]:
    """The bank's newest job of this kind, and the newest patterns."""
    return get(BankPatterns, "/v1/banks/{}/patterns", bank)


def mine_patterns(
    bank: str,
    *,
    patterns: int | None = None,
    progress: Progress = lambda job: None,
    seconds: float | None = None,
) -> Flow[Patterns]:
    """``start_patterns``, ``wait_for_job`` and the patterns in one.

    seconds: to wait at most. Raises BuildFailed, WaitedTooLong.
    """
    job = yield from start_patterns(bank, patterns=patterns)
    yield from wait_for_job(job.id, progress=progress, seconds=seconds)
    found = (yield from get_patterns(bank)).found
    assert found is not None  # a job that has succeeded leaves some
    return found


def save_report(
    bank: str,
    path: FilePath,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    station: str | None = None,
) -> Call[Path]:
    """Save a shift's report, one HTML file with its pictures inside: totals, defects by kind, trend, who decided."""
    return _saved(at("/v1/banks/{}/report", bank), path, _within(since, until, station))


def _within(since: datetime | None, until: datetime | None, station: str | None) -> dict[str, str | None]:
    times = (("since", since), ("until", until))
    return {"station": station} | {name: time.isoformat() for name, time in times if time is not None}


def _saved(place: str, path: FilePath, params: dict[str, str | None]) -> Call[Path]:
    return Call("GET", place, never, params, sink=partial(saved, path))
