"""Calls about defects: similar past inspections, and the kinds that people name."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from pathlib import Path

from nominal_client.answers.defects import Kind, KindList, KindRenamed, Pareto, SimilarInspections
from nominal_client.call import Call, at, get, never, parsed, post
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
    return get(Pareto, "/v1/banks/{}/pareto", bank, station=station, **_span(since, until))


def export_pareto(
    bank: str,
    path: FilePath,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    station: str | None = None,
) -> Call[Path]:
    """Save the same as CSV: a line per kind or group, a column per day."""
    params = {"station": station, **_span(since, until)}
    place = at("/v1/banks/{}/pareto/export", bank)
    return Call("GET", place, never, params, sink=partial(saved, path))


def _span(since: datetime | None, until: datetime | None) -> dict[str, str]:
    return {name: time.isoformat() for name, time in (("since", since), ("until", until)) if time is not None}
