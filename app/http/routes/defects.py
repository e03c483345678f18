"""The memory of defects: similar past inspections, a bank's kinds of defects, how often each comes and where."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import Field

from app.errors import BankWithoutVersion, NotDescribed
from app.http import requests
from app.http.auth import Admin, Reader
from app.http.routes import BankPath, Running, refuses
from app.http.routes.images import FILE
from app.http.routes.inspections import InspectionPath, Moment
from app.insight import across as banks
from app.insight import pareto as piles
from app.insight import shift as reports
from app.insight import similar as insight
from app.inspection.ledger import document
from app.lifecycle import Service
from app.lifecycle.keys import Actor
from app.store.errors import IllegalValue, NotFound, VersionUnusable
from core.retrieval import LEAST_MARGIN
from nominal_client.answers import defects as schema
from nominal_client.answers.inspections import Inspection

router = APIRouter(tags=["defects"])


@router.get(
    "/v1/inspections/{inspection}/similar",
    responses=refuses(NotFound, NotDescribed, BankWithoutVersion, VersionUnusable),
)
async def list_similar_inspections(
    service: Running,
    actor: Reader,
    inspection: InspectionPath,
    k: Annotated[int, Query(ge=1, le=insight.MOST, description="Inspections at most.")] = 10,
    reviewed: Annotated[bool | None, Query(description="Only those with a verdict, or without.")] = None,
    siblings: Annotated[
        bool, Query(description="Other photographs of the same part too, by serial.")
    ] = False,
) -> schema.SimilarInspections:
    """Past inspections whose worst places look like this one's, among those not accepted or reviewed; and its kind."""
    asked = insight.Asked(k, reviewed, siblings, actor.scope.stations)
    return answered(await insight.similar(service.inspecting, service.recall, inspection, asked))


@router.get("/v1/banks/{bank}/kinds", responses=refuses(NotFound))
def list_kinds(service: Running, actor: Reader, bank: BankPath) -> schema.KindList:
    """The kinds that reviews of a bank name, the most frequent first."""
    actor.scope.admit_every_station()
    service.store.banks.get(bank)
    found = service.store.kinds.all(bank)
    return schema.KindList(items=[schema.Kind(kind=kind, count=count) for kind, count in found.items()])


@router.post("/v1/banks/{bank}/kinds/rename", responses=refuses(NotFound, IllegalValue))
def rename_kind(
    service: Running, actor: Admin, bank: BankPath, body: requests.KindRename
) -> schema.KindRenamed:
    """Call a kind by another name; where that is another kind's, the two become one. The audit log keeps it."""
    actor.scope.admit_every_station()
    service.store.banks.get(bank)
    count = service.store.kinds.rename(bank, body.from_, body.to, actor=actor.id)
    return schema.KindRenamed(kind=body.to.strip(), inspections=count)


class Spanned(requests.Request):
    """Which defects: at most 31 days of them."""

    since: Moment | None = Field(
        None, description="From then on, with its zone; 7 days before, of a report 24 hours."
    )
    until: Moment | None = Field(None, description="Before then, with its zone; now.")
    station: str | None = Field(None, max_length=128, description="Only of this one.")


@router.get("/v1/banks/{bank}/pareto", responses=refuses(NotFound))
async def get_pareto(
    service: Running, actor: Reader, bank: BankPath, asked: Annotated[Spanned, Query()]
) -> schema.Pareto:
    """Defects by kind, with days, stations, examples and places; unnamed ones in groups; at most 31 days.

    A key that is limited to one station sees that one.
    """
    found = await _piled(service, actor, bank, asked)
    return schema.Pareto.model_validate(
        {**vars(found), "piles": [{**vars(pile), "share": pile.count / found.total} for pile in found.piles]}
    )


@router.get(
    "/v1/banks/{bank}/pareto/export",
    response_class=Response,
    responses={200: {"content": {"text/csv": {"schema": FILE}}}, **refuses(NotFound)},
)
async def export_pareto(
    service: Running, actor: Reader, bank: BankPath, asked: Annotated[Spanned, Query()]
) -> Response:
    """The same as CSV: a line per kind or group, a column per day."""
    found = await _piled(service, actor, bank, asked)
    headers = {"Content-Disposition": f'attachment; filename="{bank}-defects.csv"'}
    return Response(piles.csv_of(found), media_type="text/csv; charset=utf-8", headers=headers)


@router.get("/v1/pareto", responses=refuses())
def get_pareto_across_banks(
    service: Running, actor: Reader, asked: Annotated[Spanned, Query()]
) -> schema.ParetoAcrossBanks:
    """Defects of every bank by kind, with banks, days and stations; unnamed ones as one; at most 31 days.

    A key that is limited to banks sees those, and one that is limited to one station sees that one.
    """
    found = _across(service, actor, asked)
    kinds = [{**vars(kind), "share": kind.count / found.total} for kind in found.kinds]
    return schema.ParetoAcrossBanks.model_validate({**vars(found), "kinds": kinds})


@router.get(
    "/v1/pareto/export",
    response_class=Response,
    responses={200: {"content": {"text/csv": {"schema": FILE}}}, **refuses()},
)
def export_pareto_across_banks(
    service: Running, actor: Reader, asked: Annotated[Spanned, Query()]
) -> Response:
    """The same as CSV: a line per kind and bank."""
    headers = {"Content-Disposition": 'attachment; filename="defects.csv"'}
    text = banks.csv_of(_across(service, actor, asked))
    return Response(text, media_type="text/csv; charset=utf-8", headers=headers)


@router.get(
    "/v1/banks/{bank}/report",
    response_class=Response,
    responses={200: {"content": {"text/html": {"schema": FILE}}}, **refuses(NotFound)},
)
async def get_report(
    service: Running, actor: Reader, bank: BankPath, asked: Annotated[Spanned, Query()]
) -> Response:
    """A shift's report, one HTML file with its pictures inside; the last 24 hours unless said, at most 31 days.

    Totals, what people found, defects by kind with examples and places, the trend, what decided.
    """
    place = actor.scope.station(asked.station)
    found = await reports.shift(service.inspecting, service.recall, bank, asked.since, asked.until, place)
    text = await service.inspecting.pools.background(lambda: reports.page(found))
    headers = {"Content-Disposition": f'attachment; filename="{bank}-shift.html"'}
    return Response(text, media_type="text/html; charset=utf-8", headers=headers)


async def _piled(service: Service, actor: Actor, bank: str, asked: Spanned) -> piles.Pareto:
    place = actor.scope.station(asked.station)
    return await piles.pareto(service.inspecting, service.recall, bank, asked.since, asked.until, place)


def _across(service: Service, actor: Actor, asked: Spanned) -> banks.Across:
    return banks.across(service.store, actor.scope, asked.since, asked.until, asked.station)


def answered(found: insight.Similar) -> schema.SimilarInspections:
    """What was found, as it is answered."""
    vote, learnt = found.vote, found.learnt
    return schema.SimilarInspections(
        items=[
            schema.SimilarInspection(
                inspection=Inspection.model_validate(document(each.inspection)),
                similarity=each.similarity,
                sibling=each.sibling,
            )
            for each in found.items
        ],
        compared=found.compared,
        suggestion=None
        if vote is None
        else schema.Suggestion(
            kind=vote.kind if vote.sure else None,
            confidence=vote.share,
            margin=vote.margin,
            needed=LEAST_MARGIN,
            voters=vote.voters,
        ),
        learnt=None if learnt is None else schema.Learnt(before=learnt[0], after=learnt[1]),
    )
