"""A bank's mask, where photographs are inspected: /v1/banks/{bank}/mask."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from app.errors import ImageCorrupt, ImageFormatUnsupported, ImageTooLarge, MediaTypeUnsupported
from app.http.auth import Admin, Reader
from app.http.multipart import is_form
from app.http.routes import BankPath, IfMatch, Responses, Running, etag, refuses, revision_of
from app.http.routes.images import FILE
from app.imaging.outlines import Outlines
from app.learning import masks
from app.store.errors import NotFound, StaleRevision
from core.errors import ConfigError, MaskError
from nominal_client.answers import banks as schema

router = APIRouter(prefix="/v1/banks/{bank}/mask", tags=["banks"])
PICTURE: Responses = {200: {"content": {"image/png": {"schema": FILE}}}, **refuses(NotFound)}


def _outlines() -> dict[str, Any]:
    """Their schema in one piece: the document has no place for those of bodies that a route reads itself."""
    schema = Outlines.model_json_schema()
    shape = schema.pop("$defs")["Shape"]
    for name in ("inspect", "ignore"):
        schema["properties"][name]["items"] = shape
    return schema


BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "image/png": {"schema": FILE},
            "application/octet-stream": {"schema": FILE},
            "application/json": {"schema": _outlines()},
        },
    }
}
REFUSED = (MaskError, ConfigError, ImageTooLarge, ImageFormatUnsupported, ImageCorrupt)


@router.put("", openapi_extra=BODY, responses=refuses(NotFound, StaleRevision, *REFUSED))
async def set_mask(
    request: Request,
    service: Running,
    actor: Admin,
    bank: BankPath,
    response: Response,
    if_match: IfMatch = None,
) -> schema.Mask:
    """Inspect only where a picture is bright, or outlines say so. It counts from the next build."""
    if is_form(request.headers.get("content-type", "")):
        raise MediaTypeUnsupported(
            requirement="a mask must be the body itself: a picture, or outlines as JSON",
            received="a form",
            remedy="Send it as 'curl -X PUT --data-binary @mask.png' does.",
        )
    data = await request.body()
    changed, masked = await masks.put(service.learning, bank, data, revision_of(if_match), actor.id)
    response.headers["ETag"] = etag(changed.revision)
    return schema.Mask.model_validate(masked)


@router.get("", responses=refuses(NotFound))
def get_mask(service: Running, actor: Reader, bank: BankPath, response: Response) -> schema.Mask:
    """How much of a photograph is inspected."""
    row, config = masks.of(service.learning, bank)
    response.headers["ETag"] = etag(row.revision)
    return schema.Mask.model_validate(masks.described(service.learning, config))


@router.get("/picture", response_class=Response, responses=PICTURE)
def get_mask_picture(service: Running, actor: Reader, bank: BankPath) -> Response:
    """The mask as PNG: white where photographs are inspected, black elsewhere."""
    _, config = masks.of(service.learning, bank)
    return Response(masks.picture(config), media_type="image/png")


@router.delete("", status_code=204, responses=refuses(NotFound, StaleRevision))
async def remove_mask(service: Running, actor: Admin, bank: BankPath, if_match: IfMatch = None) -> None:
    """Inspect everything again, from the next build on."""
    await masks.remove(service.learning, bank, revision_of(if_match), actor.id)
