"""Nominal images: /v1/banks/{bank}/images."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from app.errors import (
    ArchiveBomb,
    ArchiveCorrupt,
    ArchiveEntryRefused,
    ArchiveTooLarge,
    ArchiveTooManyFiles,
    ArchiveUnsupported,
    ImageCorrupt,
    ImageEmpty,
    ImageFormatUnsupported,
    ImageTooLarge,
    ImageTooSmall,
    MultipartInvalid,
    TooManyFiles,
    UploadRefused,
)
from app.http.auth import Admin, Reader
from app.http.multipart import feed_of
from app.http.routes import BankPath, Cursor, Limit, Running, refuses
from app.learning import banks, uploads
from app.store.errors import BlobMissing, NotFound, SerialConflict
from app.store.schema import LONGEST_TEXT
from core.errors import GroupsFileError
from nominal_client.answers import Page
from nominal_client.answers import banks as schema
from nominal_client.formats import media_type_of

router = APIRouter(prefix="/v1/banks/{bank}/images", tags=["images"])

FOREVER = {"Cache-Control": "private, max-age=31536000, immutable"}  # a digest names these bytes for good
Sha256 = Annotated[str, Path(description="The image's sha256.")]
Side = Annotated[int, Query(ge=16, le=1024, description="Pixels each way at most.")]
FILE = {"type": "string", "format": "binary"}
UPLOAD: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "title": "UploadForm",
                    "type": "object",
                    "properties": {
                        "file": {"type": "array", "items": FILE},
                        "serial": {
                            "type": "array",
                            "items": {"type": "string", "maxLength": LONGEST_TEXT},
                            "description": "Serial number of the part: one for all files, or one for each in their "
                            "order.",
                        },
                        "manifest": FILE | {"description": "CSV of the files' parts: image,part."},
                    },
                    "additionalProperties": False,
                },
                "encoding": {"serial": {"style": "form", "explode": True}},
            },
            "image/*": {"schema": FILE},
            "application/zip": {"schema": FILE},
            "application/x-tar": {"schema": FILE},
            "application/gzip": {"schema": FILE},
            "application/octet-stream": {"schema": FILE},
        },
    }
}
REFUSED = (
    UploadRefused, MultipartInvalid, TooManyFiles, ArchiveUnsupported, ArchiveCorrupt, ArchiveTooManyFiles,
    ArchiveTooLarge, ArchiveBomb, ArchiveEntryRefused, ImageEmpty, ImageTooLarge, ImageTooSmall,
    ImageFormatUnsupported, ImageCorrupt, GroupsFileError, SerialConflict,
)  # fmt: skip


@router.post("", openapi_extra=UPLOAD, responses=refuses(NotFound, *REFUSED))
async def upload_images(
    request: Request,
    service: Running,
    actor: Admin,
    bank: BankPath,
    name: Annotated[str | None, Query(max_length=1000, description="Of a body that is one file.")] = None,
    serial: Annotated[
        str | None, Query(description="Serial number of the part that every image shows.")
    ] = None,
) -> schema.Uploaded:
    """Add nominal images: a form of files, or a body that is one image, zip or tar.

    Each file is answered for by itself; sending it again changes nothing. What storage and desktop systems put beside
    images (`@eaDir`, `#recycle`, `__MACOSX`, hidden files) is not learnt: `left_out` names it with counts. Where not
    one was kept, the answer is the problem, with `files`. Photographs of one part have one serial number: `serial`,
    `manifest`, or a `parts.csv` in an archive. An image sent before takes one if it has none.
    """
    shelf = uploads.NominalSet(service.store, bank, actor.id)
    feed = feed_of(request.headers.get("content-type", ""), name)
    received = await uploads.receive(service.learning, bank, feed, request.stream(), shelf, serial)
    count = await service.pools.background(lambda: service.store.images.totals(bank)[0])
    return schema.Uploaded.model_validate(uploads.counted(received) | {"nominal_images": count})


@router.get("", responses=refuses(NotFound))
def list_images(
    service: Running, actor: Reader, bank: BankPath, limit: Limit = 100, after: Cursor = None
) -> Page[schema.Image]:
    """The nominal set, by name."""
    page = service.store.images.page(bank, after=after, limit=limit)
    return Page(items=[schema.Image.model_validate(image) for image in page.items], next=page.next)


@router.get(
    "/{sha256}",
    response_class=Response,
    responses={200: {"content": {"image/*": {"schema": FILE}}}, **refuses(NotFound, BlobMissing)},
)
def get_image(service: Running, actor: Reader, bank: BankPath, sha256: Sha256) -> Response:
    """An image as it was received."""
    data = banks.read_image(service.learning, bank, sha256)
    return Response(data, media_type=media_type_of(data), headers={"ETag": f'"{sha256}"', **FOREVER})


@router.get(
    "/{sha256}/thumbnail",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {"schema": FILE}}}, **refuses(NotFound, BlobMissing)},
)
async def get_image_thumbnail(
    service: Running, actor: Reader, bank: BankPath, sha256: Sha256, side: Side = 256
) -> Response:
    """A small JPEG of an image, stored when that was uploaded."""
    data = await banks.small_image(service.learning, bank, sha256, side)
    return Response(data, media_type="image/jpeg", headers={"ETag": f'"{sha256}-{side}"', **FOREVER})


@router.delete("/{sha256}", status_code=204, responses=refuses(NotFound))
def delete_image(service: Running, actor: Admin, bank: BankPath, sha256: Sha256) -> None:
    """Take an image out of the nominal set. Versions built with it stay as they are."""
    service.store.images.remove(bank, sha256, actor=actor.id)
