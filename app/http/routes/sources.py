"""Sources of images: cameras and how they are; a picture taken and inspected at once."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response

from app.errors import CameraFault, CameraKindUnavailable
from app.http.auth import Inspector, Reader
from app.http.routes import Running, refuses
from app.http.routes.inspect import REFUSED, as_json
from nominal_client.answers import inspections
from nominal_client.answers import sources as schema

router = APIRouter(prefix="/v1/sources", tags=["sources"])
SourcePath = Annotated[str, Path(description="A camera's name.")]


@router.get("", responses=refuses())
async def list_sources(service: Running, actor: Reader) -> schema.SourceList:
    """The cameras of this server, each with what was inspected and why it is not well."""
    states = service.sources.camera_states()
    banks, stations = actor.scope.banks, actor.scope.stations
    seen = [each for each in states if banks is None or each.bank in banks]
    seen = [each for each in seen if stations is None or each.station in stations]
    return schema.SourceList(items=[schema.Source(**vars(each)) for each in seen])


@router.post(
    "/{source}/trigger",
    response_model=inspections.Inspection,
    responses=refuses(*REFUSED, CameraFault, CameraKindUnavailable),
)
async def trigger_source(service: Running, actor: Inspector, source: SourcePath) -> Response:
    """Take a picture now and inspect it: the answer is the inspection, in the ledger, or says why there is none."""
    camera = service.sources.camera(source)
    actor.scope.admit_bank(camera.camera.bank)
    actor.scope.station(camera.camera.station or "")
    return as_json(await camera.take(), None)
