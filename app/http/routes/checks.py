"""Check sets: /v1/banks/{bank}/checks."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from app.errors import BankWithoutVersion, LabelMissing, PictureUnavailable
from app.http import requests
from app.http.auth import Admin, Reader
from app.http.multipart import feed_of
from app.http.routes import BankPath, Cursor, Limit, Number, Root, Running, refuses
from app.http.routes.images import FILE, FOREVER, REFUSED, UPLOAD, Sha256, Side
from app.http.routes.inspections import PICTURE, drawn
from app.insight import checks as figures
from app.learning import checks, uploads
from app.store.errors import (
    BlobCorrupt,
    BlobMissing,
    BuildAlreadyRunning,
    CheckSetFull,
    IllegalId,
    LabelConflict,
    NotFound,
    VersionUnusable,
)
from app.store.page import page_among
from core.errors import TooFewImages
from nominal_client.answers import Page
from nominal_client.answers import checks as schema
from nominal_client.answers.jobs import Job
from nominal_client.formats import media_type_of

router = APIRouter(prefix="/v1/banks/{bank}/checks", tags=["checks"])
CheckPath = Annotated[str, Path(description="A check set's name: a-z, 0-9, '_' and '-'.")]
IMAGE = {200: {"content": {"image/*": {"schema": FILE}}}, **refuses(NotFound, BlobMissing)}
ASKED = requests.CheckRequest.model_validate({})


@router.get("", responses=refuses(NotFound))
def list_check_sets(service: Running, actor: Reader, bank: BankPath) -> schema.CheckSetList:
    """The labelled sets that every version of the bank is tried on."""
    found = service.store.checks.all(bank)
    return schema.CheckSetList(items=[schema.CheckSet.model_validate(each) for each in found])


@router.get("/{check}", responses=refuses(NotFound, BlobMissing, BlobCorrupt))
def get_check_set(service: Running, actor: Reader, bank: BankPath, check: CheckPath) -> schema.CheckSetDetail:
    """A set, how far its newest check is, and what each version finds and misses: versions compared."""
    totals = service.store.checks.get(bank, check)
    job = checks.newest_job(service.learning, bank, check)
    return schema.CheckSetDetail(
        **vars(totals),
        job=None if job is None else Job.model_validate(job),
        tried=[schema.Tried.model_validate(each) for each in figures.tried(service.inspecting, bank, check)],
    )


@router.delete("/{check}", status_code=204, responses=refuses(NotFound))
def delete_check_set(service: Running, actor: Admin, bank: BankPath, check: CheckPath) -> None:
    """Delete a set with its images and what versions scored on it."""
    service.store.checks.remove(bank, check, actor=actor.id)


@router.post(
    "/{check}/images",
    openapi_extra=UPLOAD,
    responses=refuses(NotFound, IllegalId, LabelMissing, LabelConflict, CheckSetFull, *REFUSED),
)
async def upload_check_images(
    request: Request,
    service: Running,
    actor: Admin,
    bank: BankPath,
    check: CheckPath,
    kind: Annotated[
        str | None,
        Query(
            max_length=200,
            description="What all files show: good, or a defect. By default their folders say it.",
        ),
    ] = None,
    name: Annotated[str | None, Query(max_length=1000, description="Of a body that is one file.")] = None,
    serial: Annotated[
        str | None, Query(description="Serial number of the part that every image shows.")
    ] = None,
) -> schema.CheckUploaded:
    """Add labelled images to a set, which the first makes: files as for the nominal set, a zip or tar of folders too.

    Each file is answered for by itself, and sending it again changes nothing. Without `kind` the folder of each image
    says it: `good/`, `scratch/`, or as published sets have them, `test/good/`; training images and masks are left out.
    """
    shelf = checks.CheckShelf(service.store, bank, check, actor.id, kind)
    feed = feed_of(request.headers.get("content-type", ""), name)
    received = await uploads.receive(service.learning, bank, feed, request.stream(), shelf, serial)
    totals = await service.pools.background(lambda: service.store.checks.get(bank, check))
    return schema.CheckUploaded.model_validate(uploads.counted(received) | {"images": totals.images})


@router.get("/{check}/images", responses=refuses(NotFound))
def list_check_images(
    service: Running,
    actor: Reader,
    bank: BankPath,
    check: CheckPath,
    limit: Limit = 100,
    after: Cursor = None,
) -> Page[schema.LabelledImage]:
    """The set's images: good ones first, then by kind and name."""
    images = service.store.checks.images(bank, check)
    page = page_among(images, lambda image: image.sha256, after, limit)
    return Page(items=[schema.LabelledImage.model_validate(each) for each in page.items], next=page.next)


@router.get("/{check}/images/{sha256}", response_class=Response, responses=IMAGE)
def get_check_image(
    service: Running, actor: Reader, bank: BankPath, check: CheckPath, sha256: Sha256
) -> Response:
    """An image as it was received."""
    data = checks.read_image(service.learning, bank, check, sha256)
    return Response(data, media_type=media_type_of(data), headers={"ETag": f'"{sha256}"', **FOREVER})


@router.get("/{check}/images/{sha256}/thumbnail", response_class=Response, responses=IMAGE)
async def get_check_thumbnail(
    service: Running, actor: Reader, bank: BankPath, check: CheckPath, sha256: Sha256, side: Side = 256
) -> Response:
    """A small JPEG of an image."""
    data = await checks.small_image(service.learning, bank, check, sha256, side)
    return Response(data, media_type="image/jpeg", headers={"ETag": f'"{sha256}-{side}"', **FOREVER})


@router.delete("/{check}/images/{sha256}", status_code=204, responses=refuses(NotFound))
def delete_check_image(
    service: Running, actor: Admin, bank: BankPath, check: CheckPath, sha256: Sha256
) -> None:
    """Take an image out of the set."""
    service.store.checks.remove_image(bank, check, sha256, actor=actor.id)


@router.post(
    "/{check}/runs",
    status_code=202,
    responses=refuses(NotFound, TooFewImages, BankWithoutVersion, BuildAlreadyRunning),
)
def start_check(
    service: Running,
    actor: Admin,
    bank: BankPath,
    check: CheckPath,
    root: Root,
    response: Response,
    body: requests.CheckRequest | None = None,
) -> Job:
    """Try a version on the set, the newest unless one is named. Answers at once with the job to watch.

    Every new version is tried on every set by itself, after its build.
    """
    job = checks.start(service.learning, bank, check, (body or ASKED).version, actor.id)
    response.headers["Location"] = f"{root}/v1/jobs/{job.id}"
    return Job.model_validate(job)


@router.get("/{check}/runs/{version}", responses=refuses(NotFound, BlobMissing, BlobCorrupt))
def get_check(
    service: Running,
    actor: Reader,
    bank: BankPath,
    check: CheckPath,
    version: Number,
    limit: Limit = 100,
    after: Cursor = None,
) -> schema.CheckedPage:
    """What a version finds and misses, with a page of the images: missed defects first, then false alarms."""
    found = figures.tried_version(service.inspecting, bank, check, version)
    page = page_among(found.images, lambda each: each.image.sha256, after, limit)
    return schema.CheckedPage(
        **schema.Tried.model_validate(found).model_dump(),
        items=[schema.CheckedImage.model_validate(each) for each in page.items],
        next=page.next,
    )


@router.get(
    "/{check}/runs/{version}/images/{sha256}/overlay",
    response_class=Response,
    responses={**PICTURE, **refuses(NotFound, PictureUnavailable, VersionUnusable, BlobCorrupt)},
)
async def get_check_overlay(
    service: Running, actor: Reader, bank: BankPath, check: CheckPath, version: Number, sha256: Sha256
) -> Response:
    """The map of an image by a version, over the image."""
    return drawn(*await figures.drawn(service.inspecting, bank, check, version, sha256, "overlay"))
