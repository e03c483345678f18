"""Why an inspection scored so: /v1/inspections/{inspection}/explanation."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response

from app.errors import ImageRefused, MemoryFull, PictureUnavailable, QueueFull
from app.http.auth import Reader
from app.http.routes import Running, refuses
from app.http.routes.images import FILE
from app.http.routes.inspections import InspectionPath
from app.imaging.pictures import PNG
from app.insight import explaining
from app.store.errors import NotFound, VersionUnusable
from core.errors import RegistrationError
from nominal_client.answers.explanations import Explanation, Method

router = APIRouter(prefix="/v1/inspections", tags=["inspections"])


@router.get(
    "/{inspection}/explanation",
    response_model=Explanation,
    responses={
        200: {"content": {PNG: {"schema": FILE}}},
        **refuses(
            NotFound,
            PictureUnavailable,
            VersionUnusable,
            RegistrationError,
            ImageRefused,
            QueueFull,
            MemoryFull,
        ),
    },
)
async def explain_inspection(
    service: Running,
    actor: Reader,
    inspection: InspectionPath,
    method: Annotated[Method, Query(description="What to draw; only the patch map decides.")] = "patch-map",
    form: Annotated[
        Literal["json", "png"], Query(alias="format", description="Figures, or the map over the image.")
    ] = "json",
) -> Response | Explanation:
    """Why an inspection scored as it did, by the version that decided; its image must be kept.

    Computed again in float32 in the background, one at a time; where more wait, the answer says when to ask again.
    """
    found = await explaining.explain_inspection(service.inspecting, inspection, method)
    if form == "png":
        return Response(found.picture, media_type=PNG)
    return Explanation.model_validate(found.document())
