"""The application: ``create_app(settings)``. Importing this creates nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from fastapi import Depends, FastAPI
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from app import __version__
from app.http import problems
from app.http.bodies import BoundBodies, body_limit
from app.http.middleware import CatchErrors, Observe, SecurityHeaders
from app.http.openapi import DESCRIPTION, document, include_docs, operation_id
from app.http.proxy import BehindProxy
from app.http.routes import (
    advice,
    banks,
    checks,
    defects,
    explanations,
    images,
    inference,
    insight,
    inspect,
    inspections,
    jobs,
    masks,
    patterns,
    refuse_unknown_query,
    screenings,
    server,
    sinks,
    sources,
    versions,
)
from app.lifecycle.opening import open_service
from app.ops.logs import telemetry
from app.ops.observed import Observed
from app.settings import Settings, load_settings
from models.backbone import Backbone

# the busiest is matched first
ROUTERS = (
    inspect.router, server.router, banks.router, images.router, jobs.router, versions.router, screenings.router,
    advice.router, masks.router, checks.router, insight.router, defects.router, patterns.router, inspections.router,
    inspections.reviews, explanations.router, server.keys, sinks.router, sources.router,
    inference.router, inference.probes,
)  # fmt: skip


def create_app(
    settings: Settings | None = None, backbone: Backbone | None = None, worker: bool = True
) -> FastAPI:
    """The service as an ASGI application; its lifespan opens and drains it.

    ``backbone`` takes the place of the settings' own. Without ``worker`` builds wait for one started elsewhere.
    """
    settings = settings or load_settings()
    observed, traces = Observed(), telemetry(settings.otel_endpoint)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_service(settings, observed, backbone, worker) as service:
            app.state.service = service
            yield
        await asyncio.to_thread(traces.close)

    app = FastAPI(
        title="Nominal",
        version=__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
        middleware=_middleware(settings, observed),
        generate_unique_id_function=operation_id,
        docs_url=None,  # FastAPI's pages load from elsewhere; app/http/openapi.py has its own
        redoc_url=None,
        telemetry=traces.config,
    )
    app.openapi = lambda: document(app)  # type: ignore[method-assign]
    problems.install(app)
    for router in ROUTERS:
        probed = router in (server.router, inference.probes)  # probes append what they like
        app.include_router(router, dependencies=[] if probed else [Depends(refuse_unknown_query)])
    include_docs(app)
    if settings.console:
        from app.console.mount import mount  # here: NiceGUI takes a second that no other command should pay

        mount(app)
    return app


def _middleware(settings: Settings, observed: Observed) -> list[Middleware]:
    """From the outside in."""
    cors = [
        Middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=[
                "Authorization",
                "X-API-Key",
                "Content-Type",
                "If-Match",
                "Idempotency-Key",
                "Prefer",
                "Inference-Header-Content-Length",
            ],
            expose_headers=[
                "ETag",
                "Location",
                "Retry-After",
                "X-Request-ID",
                "Inference-Header-Content-Length",
            ],
        )
    ]
    return [
        Middleware(BehindProxy, root=settings.root_path),
        Middleware(Observe, observed=observed),
        Middleware(SecurityHeaders),
        *(cors if settings.cors_origins else []),
        Middleware(CatchErrors),
        Middleware(BoundBodies, limit_of=partial(body_limit, settings), rate=settings.least_bytes_per_second),
    ]
