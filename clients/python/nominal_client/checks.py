"""Calls about check sets: labelled images that every version of a bank is tried on."""

from __future__ import annotations

from collections.abc import Mapping

from nominal_client.answers.checks import (
    CheckedImage,
    CheckedPage,
    CheckSetDetail,
    CheckSetList,
    CheckUploaded,
    LabelledImage,
)
from nominal_client.answers.jobs import Job
from nominal_client.builds import Progress as JobProgress
from nominal_client.builds import wait_for_job
from nominal_client.call import Call, Flow, Pages, at, get, nothing, pages_of, post
from nominal_client.images import GivenImages
from nominal_client.streams import as_json
from nominal_client.uploads import Progress, send


def list_check_sets(bank: str) -> Call[CheckSetList]:
    """The check sets of a bank, by name."""
    return get(CheckSetList, "/v1/banks/{}/checks", bank)


def get_check_set(bank: str, check: str) -> Call[CheckSetDetail]:
    """A check set: its images by kind, its newest job, and what each version finds and misses."""
    return get(CheckSetDetail, "/v1/banks/{}/checks/{}", bank, check)


def delete_check_set(bank: str, check: str) -> Call[None]:
    """Delete a check set with its images and what versions scored on it."""
    return Call("DELETE", at("/v1/banks/{}/checks/{}", bank, check), nothing)


def upload_check_images(
    bank: str,
    check: str,
    files: GivenImages,
    *,
    kind: str | None = None,
    serials: str | Mapping[str, str] | None = None,
    progress: Progress = lambda sent, total: None,
) -> Flow[CheckUploaded]:
    """Add labelled images to a check set, which the first makes: files as ``upload_images`` takes them.

    kind: ``good``, or the defect that all of them show; without it the folder of each image says so. serials: as of
    ``upload_images``.

    If it breaks off, what was sent is kept: call it again. Raises ProblemError if no file was kept.
    """
    path = at("/v1/banks/{}/checks/{}/images", bank, check)
    return (yield from send(CheckUploaded, "images", path, {"kind": kind}, files, serials, progress))


def list_check_images(bank: str, check: str) -> Pages[LabelledImage]:
    """The images of a check set: good ones first, then by kind and name."""
    return pages_of(LabelledImage, at("/v1/banks/{}/checks/{}/images", bank, check), "after")


def get_check_image(bank: str, check: str, sha256: str) -> Call[bytes]:
    """An image as it was received."""
    return get(bytes, "/v1/banks/{}/checks/{}/images/{}", bank, check, sha256)


def get_check_thumbnail(bank: str, check: str, sha256: str, side: int = 256) -> Call[bytes]:
    """A small JPEG of an image, at most ``side`` pixels wide and high."""
    return get(bytes, "/v1/banks/{}/checks/{}/images/{}/thumbnail", bank, check, sha256, side=side)


def delete_check_image(bank: str, check: str, sha256: str) -> Call[None]:
    """Take an image out of a check set."""
    return Call("DELETE", at("/v1/banks/{}/checks/{}/images/{}", bank, check, sha256), nothing)


def start_check(bank: str, check: str, version: int | None = None) -> Call[Job]:
    """Try a version, the newest unless given, on a check set as it is now."""
    return post(Job, "/v1/banks/{}/checks/{}/runs", bank, check, body=as_json({"version": version}))


def get_check(bank: str, check: str, version: int, limit: int = 100) -> Call[CheckedPage]:
    """What a version finds and misses of a check set, and the first ``limit`` images: missed defects first."""
    return get(CheckedPage, "/v1/banks/{}/checks/{}/runs/{}", bank, check, version, limit=limit)


def list_checked_images(bank: str, check: str, version: int) -> Pages[CheckedImage]:
    """Every image of a check set with what a version makes of it: missed defects first, then false alarms."""
    return pages_of(CheckedImage, at("/v1/banks/{}/checks/{}/runs/{}", bank, check, version), "after")


def get_check_overlay(bank: str, check: str, version: int, sha256: str) -> Call[bytes]:
    """The map of an image by a version, over the image, as PNG."""
    return get(bytes, "/v1/banks/{}/checks/{}/runs/{}/images/{}/overlay", bank, check, version, sha256)


def check(
    bank: str,
    check: str,
    version: int | None = None,
    *,
    progress: JobProgress = lambda job: None,
    seconds: float | None = None,
) -> Flow[CheckedPage]:
    """``start_check``, wait for it, and ``get_check``. Raises BuildFailed, WaitedTooLong after ``seconds``."""
    job = yield from start_check(bank, check, version)
    yield from wait_for_job(job.id, progress=progress, seconds=seconds)
    return (yield from get_check(bank, check, int(job.request["version"])))
