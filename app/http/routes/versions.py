"""Versions: /v1/banks/{bank}/versions, and their bank files."""

from __future__ import annotations

import base64
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from app.errors import MediaTypeUnsupported, VersionUnproven
from app.http.auth import Admin, Reader
from app.http.multipart import is_form
from app.http.routes import BankPath, IfMatch, Number, Root, Running, refuses, revision_of
from app.http.routes.banks import detail as bank_detail
from app.http.routes.images import FILE, FOREVER
from app.learning import versions
from app.learning.building import BANK_MEDIA_TYPE
from app.store import schema as rows
from app.store.errors import (
    BlobCorrupt,
    BlobMissing,
    BlobTooLarge,
    NotFound,
    StaleRevision,
    VersionInUse,
    VersionUnusable,
)
from core.errors import (
    BankCorrupt,
    BankFormatTooNew,
    BankHostile,
    BankMismatch,
    ConfigError,
    TooFewNominalImages,
)
from models.errors import UnknownBackbone, WeightsNotFound
from nominal_client.answers import jobs as schema
from nominal_client.answers.banks import BankDetail

router = APIRouter(prefix="/v1/banks/{bank}", tags=["versions"])
BANK_FILE = {"content": {BANK_MEDIA_TYPE: {"schema": FILE}}}
UNFIT = (
    BankCorrupt,
    BankHostile,
    BankFormatTooNew,
    BankMismatch,
    VersionUnproven,
    UnknownBackbone,
    WeightsNotFound,
)


@router.get("/versions", responses=refuses(NotFound))
def list_versions(service: Running, actor: Reader, bank: BankPath) -> schema.VersionList:
    """All versions, newest first."""
    active = service.store.banks.get(bank).active_version
    return schema.VersionList(items=[_version(row, active) for row in service.store.versions.all(bank)])


@router.get("/versions/{version}", responses=refuses(NotFound))
def get_version(service: Running, actor: Reader, bank: BankPath, version: Number) -> schema.Version:
    """One version: what it holds, what its threshold promises."""
    active = service.store.banks.get(bank).active_version
    return _version(service.store.versions.get(bank, version), active)


@router.post(
    "/versions/{version}/activate",
    responses=refuses(NotFound, StaleRevision, VersionUnusable, TooFewNominalImages, ConfigError),
)
async def activate_version(
    service: Running,
    actor: Admin,
    bank: BankPath,
    version: Number,
    response: Response,
    if_match: IfMatch = None,
) -> BankDetail:
    """Serve this version from now on; inspections in flight finish on theirs. Activating an older one rolls back."""
    row = await versions.activate(service.learning, bank, version, revision_of(if_match), actor.id)
    return await service.pools.background(lambda: bank_detail(service, row, response))


@router.delete("/versions/{version}", status_code=204, responses=refuses(NotFound, VersionInUse))
def delete_version(service: Running, actor: Admin, bank: BankPath, version: Number) -> None:
    """Delete a version that is not active."""
    service.store.versions.remove(bank, version, actor=actor.id)


@router.get(
    "/versions/{version}/bundle",
    response_class=StreamingResponse,
    responses={200: BANK_FILE, **refuses(NotFound, BlobMissing, BlobCorrupt)},
)
def download_version(service: Running, actor: Reader, bank: BankPath, version: Number) -> StreamingResponse:
    """The version as a bank file, for another server's import or the command line."""
    row = service.store.versions.get(bank, version)
    pieces = versions.open_bundle(service.learning, row)
    service.trail.note(actor.id, "version.download", f"bank:{bank}/{version}")
    digest = base64.b64encode(bytes.fromhex(row.sha256)).decode()
    headers = {
        "Content-Length": str(row.bytes),
        "Content-Disposition": f'attachment; filename="{bank}-{version}.bank"',
        "Repr-Digest": f"sha-256=:{digest}:",
        "ETag": f'"{row.sha256}"',
        **FOREVER,
    }
    return StreamingResponse(pieces, media_type=BANK_MEDIA_TYPE, headers=headers)


@router.post(
    "/import",
    status_code=201,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {BANK_MEDIA_TYPE: {"schema": FILE}, "application/octet-stream": {"schema": FILE}},
        }
    },
    responses=refuses(NotFound, BlobTooLarge, VersionUnusable, TooFewNominalImages, ConfigError, *UNFIT),
)
async def import_version(
    request: Request,
    service: Running,
    actor: Admin,
    bank: BankPath,
    root: Root,
    response: Response,
    activate: Annotated[bool, Query(description="Whether it becomes the active version.")] = False,
) -> schema.Version:
    """Take in a bank file as the next version, once its integrity, backbone and conformance are proven here."""
    if is_form(request.headers.get("content-type", "")):
        raise MediaTypeUnsupported(
            requirement="a bank file must be the body itself",
            received="a form",
            remedy="Send it as 'curl --data-binary @caps.bank' does.",
        )
    row = await versions.take_in(service.learning, bank, request.stream(), activate, actor.id)
    response.headers["Location"] = f"{root}/v1/banks/{bank}/versions/{row.number}"
    return _version(row, row.number if activate else None)


def _version(row: rows.Version, active: int | None) -> schema.Version:
    known = {name: getattr(row, name) for name in schema.Version.model_fields if name != "active"}
    return schema.Version(**known, active=row.number == active)
