"""Screenings of nominal sets: /v1/banks/{bank}/screening."""

from __future__ import annotations

from fastapi import APIRouter, Response

from app.http import requests
from app.http.auth import Admin, Reader
from app.http.routes import BankPath, Number, Responses, Root, Running, refuses
from app.http.routes.images import FILE, Sha256, Side
from app.learning import screenings
from app.lifecycle import Service
from app.store.errors import BlobCorrupt, BlobMissing, BuildAlreadyRunning, NotFound
from app.store.schema import Screening
from core.errors import ConfigError, GroupsError, TooFewImages
from nominal_client.answers import screenings as schema
from nominal_client.answers.jobs import Job

router = APIRouter(prefix="/v1/banks/{bank}", tags=["screening"])
OVERLAY: Responses = {
    200: {"content": {"image/jpeg": {"schema": FILE}}},
    **refuses(NotFound, BlobMissing, BlobCorrupt),
}
ASKED = requests.ScreeningRequest.model_validate({})


@router.post(
    "/screening",
    status_code=202,
    responses=refuses(NotFound, ConfigError, TooFewImages, GroupsError, BuildAlreadyRunning),
)
def start_screening(
    service: Running,
    actor: Admin,
    bank: BankPath,
    root: Root,
    response: Response,
    body: requests.ScreeningRequest | None = None,
) -> Job:
    """Look over the nominal set as it is now: parts, copies, suspects, mixtures. Answers at once with the job to watch.

    Nothing is removed: a person looks at the suspects, deletes images that do not belong, and builds.
    """
    asked = body or ASKED
    job = screenings.start(service.learning, bank, actor.id, asked.expected, asked.groups)
    response.headers["Location"] = f"{root}/v1/jobs/{job.id}"
    return Job.model_validate(job)


@router.get("/screening", responses=refuses(NotFound, BlobMissing, BlobCorrupt))
def get_screening(service: Running, actor: Reader, bank: BankPath) -> schema.Screening:
    """The newest screening: how far its job is, and the newest report."""
    look = screenings.look(service.learning, bank)
    return schema.Screening(
        job=None if look.job is None else Job.model_validate(look.job),
        found=None if look.kept is None else _report(service, look.kept, look.current),
    )


@router.get("/versions/{version}/screening", responses=refuses(NotFound, BlobMissing, BlobCorrupt))
def get_version_screening(service: Running, actor: Reader, bank: BankPath, version: Number) -> schema.Report:
    """The report on the set that a version was built from, if it was screened."""
    kept = screenings.of_version(service.learning, bank, version)
    return _report(service, kept, kept.set_sha256 == service.store.screenings.present_set(bank))


@router.get("/screening/suspects/{sha256}/overlay", response_class=Response, responses=OVERLAY)
async def get_suspect_overlay(
    service: Running, actor: Reader, bank: BankPath, sha256: Sha256, side: Side = 512
) -> Response:
    """A suspect of the newest report as a JPEG, with where it differs from the others laid over it."""
    return _jpeg(await screenings.picture(service.learning, bank, sha256, side))


@router.get(
    "/versions/{version}/screening/suspects/{sha256}/overlay", response_class=Response, responses=OVERLAY
)
async def get_version_suspect_overlay(
    service: Running, actor: Reader, bank: BankPath, version: Number, sha256: Sha256, side: Side = 512
) -> Response:
    """The same for a suspect of a version's report, as long as the image is in the nominal set."""
    return _jpeg(await screenings.picture(service.learning, bank, sha256, side, version))


def _jpeg(data: bytes) -> Response:
    return Response(data, media_type="image/jpeg", headers={"Cache-Control": "private, no-cache"})


def _report(service: Service, kept: Screening, current: bool) -> schema.Report:
    report = screenings.report_of(service.learning, kept)
    return schema.Report(
        created_at=kept.created_at, current=current, report=schema.Findings.model_validate(report)
    )
