"""What versions learnt and would do, a bank's day: calibration, exploration, economics, compare, trend."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse

from app.errors import BankWithoutVersion, QueueFull
from app.http import requests
from app.http.auth import Inspector, Reader
from app.http.routes import BankPath, Cursor, Limit, Number, Running, etag, refuses
from app.http.routes.images import FILE
from app.http.routes.inspections import Moment
from app.insight import calibration as insight
from app.insight import comparing, exploring, fits, pricing
from app.insight import trend as days
from app.store.errors import BlobCorrupt, BlobMissing, NotFound, VersionUnusable
from core.errors import BankCorrupt, BankHostile, ConfigError, TooFewDefects, TooFewNominalImages
from core.judging.economics import Costs
from nominal_client.answers import insight as schema

router = APIRouter(prefix="/v1/banks/{bank}", tags=["insight"])
UNREADABLE = (BlobMissing, BlobCorrupt, BankCorrupt, BankHostile)


class Explored(requests.Explored):
    """The same with a page of what would flip."""

    limit: Limit = 50
    before: Cursor = None


@router.get("/versions/{version}/calibration", responses=refuses(NotFound, *UNREADABLE))
def get_calibration(
    service: Running,
    actor: Reader,
    bank: BankPath,
    version: Number,
    bins: Annotated[int, Query(ge=1, le=400, description="Of the histogram.")] = 40,
    hardest: Annotated[int, Query(ge=0, le=200, description="Images to name, at most.")] = 12,
) -> schema.Calibration:
    """A version's nominal scores, what they promise, and the nominal images that look least nominal."""
    return schema.Calibration.model_validate(
        insight.of_version(service.inspecting, bank, version, bins, hardest)
    )


@router.get("/versions/{version}/fits", responses=refuses(NotFound, *UNREADABLE))
def get_fits(
    service: Running,
    actor: Reader,
    bank: BankPath,
    version: Number,
    limit: Annotated[int, Query(ge=1, le=500, description="Nominal images, at most.")] = 50,
) -> schema.Fits:
    """What a version built with registration brings parts onto, and how well its nominal images fit it, worst first."""
    return schema.Fits.model_validate(fits.of_version(service.inspecting, bank, version, limit))


@router.get(
    "/exploration",
    responses=refuses(NotFound, BankWithoutVersion, ConfigError, TooFewNominalImages, *UNREADABLE),
)
def explore_thresholds(
    service: Running, actor: Reader, bank: BankPath, asked: Annotated[Explored, Query()], response: Response
) -> schema.Exploration:
    """What thresholds or rates would do, before they are saved: expected, measured, and what would flip."""
    actor.scope.admit_every_station()
    subject = exploring.subject(service.inspecting, bank, asked.version)
    found = exploring.explore(subject, asked.given(), asked.bins)
    items = exploring.flips(subject, found.thresholds, asked.before, asked.limit + 1)
    response.headers["ETag"] = etag(found.revision)
    return schema.Exploration(
        **_plain(found),
        items=[schema.Flip.model_validate(flip) for flip in items[: asked.limit]],
        next=items[asked.limit - 1].id if len(items) > asked.limit else None,
    )


@router.get(
    "/economics", responses=refuses(NotFound, BankWithoutVersion, ConfigError, TooFewDefects, *UNREADABLE)
)
def price_thresholds(
    service: Running,
    actor: Reader,
    bank: BankPath,
    asked: Annotated[requests.Costed, Query()],
    response: Response,
) -> schema.Economics:
    """The reject threshold at which missed defects and false rejects together cost least, beside the present one."""
    actor.scope.admit_every_station()
    costs = Costs(asked.missed_defect, asked.false_reject, asked.defect_rate)
    subject = exploring.subject(service.inspecting, bank, asked.version)
    found = pricing.price(service.inspecting, subject, costs)
    response.headers["ETag"] = etag(found.revision)
    return schema.Economics.model_validate(found)


@router.post(
    "/compare",
    response_class=StreamingResponse,
    responses={
        200: {"content": {"application/jsonl": {"schema": FILE}}},
        **refuses(NotFound, VersionUnusable, ConfigError, TooFewNominalImages, QueueFull),
    },
)
async def compare_versions(
    service: Running, actor: Inspector, bank: BankPath, body: requests.CompareRequest
) -> StreamingResponse:
    """Score kept images by two versions, a JSON line each as it is done; inspections go first. Hang up to cancel."""
    actor.scope.admit_every_station()
    comparison = await comparing.prepare(service.inspecting, bank, body.a, body.b, body.limit)
    return StreamingResponse(_lines(comparison), media_type="application/jsonl")


@router.get("/trend", responses=refuses(NotFound))
def get_trend(
    service: Running,
    actor: Reader,
    bank: BankPath,
    since: Annotated[
        Moment | None, Query(description="From then on, with its zone; 24 hours before until.")
    ] = None,
    until: Annotated[Moment | None, Query(description="Before then, with its zone; now.")] = None,
    station: Annotated[str | None, Query(max_length=128, description="Only of this one.")] = None,
) -> schema.Trend:
    """Decisions by hour, median and 95 % score of accepted parts, agreement of reviews; at most 31 days.

    A key that is limited to one station sees that one.
    """
    place = actor.scope.station(station)
    return schema.Trend.model_validate(days.trend(service.inspecting, bank, since, until, place))


def _plain(found: exploring.Exploration) -> dict[str, Any]:
    """The fields, shares with their rates."""
    shares = {name: schema.Share.model_validate(getattr(found, name)) for name in ("found", "alarms")}
    return asdict(found) | shares


async def _lines(comparison: comparing.Comparison) -> AsyncIterator[str]:
    async for pair in comparison.pairs():
        yield schema.Compared.model_validate(pair).model_dump_json() + "\n"
