"""Calls about banks and their nominal images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict, Unpack

from nominal_client.answers.banks import Bank, BankDetail, Image, Mask, ThresholdChange, Uploaded
from nominal_client.answers.server import Priority
from nominal_client.call import SLOW, Call, Flow, Pages, at, get, nothing, pages_of, parsed, post
from nominal_client.images import GivenImages, ImageSource, content_bytes, given
from nominal_client.streams import as_json, raw
from nominal_client.uploads import Progress, send


class BankSettings(TypedDict, total=False):
    """What a bank has besides its title; null removes an override, what is left out stays as it is."""

    config: Mapping[str, Any]
    pinned: bool
    priority: Priority | None
    share: float | None
    target_false_reject: float | None
    target_review: float | None
    review_threshold: float | None
    reject_threshold: float | None
    note: str | None


class BankChanges(BankSettings, total=False):
    """What can change about a bank."""

    title: str


def list_banks() -> Pages[Bank]:
    """Every bank, by id."""
    return pages_of(Bank, "/v1/banks", "after")


def get_bank(bank: str) -> Call[BankDetail]:
    """One bank, with the size of its nominal set."""
    return get(BankDetail, "/v1/banks/{}", bank)


def create_bank(bank: str, title: str = "", **settings: Unpack[BankSettings]) -> Call[BankDetail]:
    """A new bank: one view of one product."""
    return post(BankDetail, "/v1/banks", body=as_json({"id": bank, "title": title, **settings}))


def update_bank(
    bank: str, *, revision: int | None = None, **changes: Unpack[BankChanges]
) -> Call[BankDetail]:
    """Change a bank; refused as stale if ``revision`` is given and is not the current one."""
    path, headers = at("/v1/banks/{}", bank), if_match(revision)
    return Call("PATCH", path, parsed(BankDetail), headers=headers, body=as_json(changes), silence=SLOW)


def delete_bank(bank: str, *, revision: int | None = None) -> Call[None]:
    """Delete a bank with its images, versions and jobs; its inspections stay."""
    return Call("DELETE", at("/v1/banks/{}", bank), nothing, headers=if_match(revision))


def list_threshold_changes(bank: str, limit: int = 100) -> Call[list[ThresholdChange]]:
    """How the bank's thresholds changed and who changed them, newest first."""
    return get(list[ThresholdChange], "/v1/banks/{}/threshold-changes", bank, limit=limit)


def set_mask(bank: str, mask: ImageSource | Mapping[str, Any], *, revision: int | None = None) -> Call[Mask]:
    """Inspect only where a picture is bright, or in outlines as docs/images.md has them; from the next build on."""
    body = as_json(mask) if isinstance(mask, Mapping) else raw(content_bytes(given(mask)[1]))
    path = at("/v1/banks/{}/mask", bank)
    return Call("PUT", path, parsed(Mask), headers=if_match(revision), body=body, repeatable=revision is None)


def get_mask(bank: str) -> Call[Mask]:
    """How much of a photograph is inspected. Raises NotFound without a mask."""
    return get(Mask, "/v1/banks/{}/mask", bank)


def get_mask_picture(bank: str) -> Call[bytes]:
    """The mask as PNG: white where photographs are inspected, black elsewhere."""
    return get(bytes, "/v1/banks/{}/mask/picture", bank)


def remove_mask(bank: str, *, revision: int | None = None) -> Call[None]:
    """Inspect everything again, from the next build on."""
    return Call("DELETE", at("/v1/banks/{}/mask", bank), nothing, headers=if_match(revision))


def list_images(bank: str) -> Pages[Image]:
    """The nominal set, by name."""
    return pages_of(Image, at("/v1/banks/{}/images", bank), "after")


def get_image(bank: str, sha256: str) -> Call[bytes]:
    """An image as it was received."""
    return get(bytes, "/v1/banks/{}/images/{}", bank, sha256)


def get_thumbnail(bank: str, sha256: str, side: int = 256) -> Call[bytes]:
    """A small JPEG of an image, at most ``side`` pixels wide and high."""
    return get(bytes, "/v1/banks/{}/images/{}/thumbnail", bank, sha256, side=side)


def delete_image(bank: str, sha256: str) -> Call[None]:
    """Remove an image from the nominal set."""
    return Call("DELETE", at("/v1/banks/{}/images/{}", bank, sha256), nothing)


def upload_images(
    bank: str,
    files: GivenImages,
    *,
    serials: str | Mapping[str, str] | None = None,
    progress: Progress = lambda sent, total: None,
) -> Flow[Uploaded]:
    """Add images to the nominal set: a folder of them, or files, also zips and tars, or images as ``inspect`` takes
    them. The answer lists every file.

    What a folder holds besides images is not sent; ``left_out`` of the answer names it, with the reason.

    serials: serial number of the part that all files show, or that of each by its name (within a folder, relative to
    it). Photographs of one part have the same.

    If it breaks off, what was sent is kept: call it again. Raises ProblemError if no file was kept, FolderError for
    a folder without images.
    """
    path = at("/v1/banks/{}/images", bank)
    return (yield from send(Uploaded, "nominal_images", path, {}, files, serials, progress))


def if_match(revision: int | None) -> dict[str, str | None]:
    """The header with which the server refuses a change if somebody else made one first."""
    return {"If-Match": None if revision is None else f'"{revision}"'}
