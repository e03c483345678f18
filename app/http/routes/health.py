"""Health, metrics and what is running: open to all, without banks' names for those without a key."""

from __future__ import annotations

import contextlib
from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse

from app import __version__
from app.errors import AppError
from app.http.auth import Reader, identify, key_of
from app.http.routes.common import BankPath, Running, refuses
from app.http.schemas import health as schema
from app.lifecycle import gauges, health
from app.problems.types import page
from app.store.errors import NotFound

router = APIRouter(tags=["health"])


@router.get("/livez")
async def livez() -> schema.Live:
    """The process answers. Nothing is looked at."""
    return schema.Live()


@router.get(
    "/readyz", responses={503: {"model": schema.Ready, "description": "Warming up, or shutting down."}}
)
async def readyz(service: Running, response: Response) -> schema.Ready:
    """Whether the server can inspect. Once warm it stays ready, whatever banks do, until it shuts down."""
    if health.is_ready(service):
        return schema.Ready(status="ready")
    response.status_code = 503
    return schema.Ready(status="draining" if service.life.draining else "warming")


@router.get("/health", responses=refuses(keys=False), response_model_exclude_none=True)
async def get_health(request: Request, service: Running) -> schema.Health:
    """How the whole is. Needs no key; with one it names banks and reasons."""
    named = False
    with contextlib.suppress(AppError):
        await identify(request, service, key_of(request))
        named = True
    return schema.Health.model_validate(await health.overall(service, named))


@router.get("/v1/banks/{bank}/health", responses=refuses(NotFound))
async def get_bank_health(
    service: Running,
    actor: Reader,
    bank: BankPath,
    check: Annotated[bool, Query(description="Load it and score its conformance images now.")] = False,
) -> schema.BankHealth:
    """How one bank is, and whether its version scores its conformance images as recorded."""
    return schema.BankHealth.model_validate(await health.of_bank(service, bank, check))


@router.get("/metrics", response_class=PlainTextResponse)
async def get_metrics(service: Running, accept: Annotated[str, Header(max_length=1000)] = "") -> Response:
    """For Prometheus."""
    with contextlib.suppress(AppError):  # metrics must be had while the database is sick
        await gauges.refresh(service)
    text, media_type = service.inspecting.metrics.render(accept)
    return Response(text, media_type=media_type)


@router.get("/version")
async def get_release() -> schema.Release:
    """What runs."""
    return schema.Release(nominal=__version__)


@router.get("/problems/{slug}", response_class=HTMLResponse, responses=refuses(NotFound, keys=False))
async def explain_problem(
    slug: Annotated[str, Path(description="The end of a problem's type.")],
) -> HTMLResponse:
    """What a problem type means, for people."""
    text = page(slug)
    if text is None:
        raise NotFound(
            requirement="a problem type must be known", received=ascii(slug[:80]), remedy="See /docs."
        )
    return HTMLResponse(text)
