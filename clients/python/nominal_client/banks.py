"""Calls about banks and their nominal images.

An upload is several requests; sending it again is harmless, because an image is known by its content.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypedDict, Unpack

from nominal_client.answers.banks import (
    Bank,
    BankDetail,
    Image,
    LeftOut,
    Mask,
    ThresholdChange,
    Uploaded,
    UploadedFile,
)
from nominal_client.answers.server import Priority
from nominal_client.call import SLOW, Call, Flow, Pages, at, get, nothing, pages_of, parsed, post
from nominal_client.errors import BadArgument, ProblemError
from nominal_client.folders import list_images as image_files
from nominal_client.folders import relative_names
from nominal_client.images import GivenImages, ImageSource, content_bytes, each_given, given
from nominal_client.litter import left_out
from nominal_client.streams import File, as_json, form, raw

FILES, BYTES = 100, 32 << 20  # of one request, unless a single file is larger

Progress = Callable[[int, int], None]
"""Receives (bytes sent, bytes in all)."""


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
    found = with_serials(files_of(files), serials)
    total, before = sum(file.size for file in found), 0
    answers: list[Uploaded] = []
    refused: ProblemError | None = None
    for group in _groups(found):
        try:
            answers.append((yield from _one(bank, group, _after(before, total, progress))))
        except ProblemError as error:
            answers.append(_all_rejected(error))
            refused = error
        before += sum(file.size for file in group)
        progress(before, total)
    if refused is not None and not any(answer.accepted or answer.duplicate for answer in answers):
        raise refused
    beside = _beside(files, found)
    joined = _joined(answers)
    return joined.model_copy(update={"left_out": [*beside, *joined.left_out]})


def _beside(files: GivenImages, sent: Sequence[File]) -> list[LeftOut]:
    """What a folder holds that is not sent."""
    if not isinstance(files, str | Path) or not Path(files).is_dir():
        return []
    paths = [file.content for file in sent if isinstance(file.content, Path)]
    return [LeftOut.model_validate(each) for each in left_out(Path(files), paths)]


def if_match(revision: int | None) -> dict[str, str | None]:
    """The header with which the server refuses a change if somebody else made one first."""
    return {"If-Match": None if revision is None else f'"{revision}"'}


def _one(bank: str, group: Sequence[File], sent: Callable[[int], None]) -> Call[Uploaded]:
    body = form(group, sent)
    return post(Uploaded, "/v1/banks/{}/images", bank, body=body, repeatable=True, silence=SLOW)


def _after(before: int, total: int, progress: Progress) -> Callable[[int], None]:
    """Progress of one request among several."""
    return lambda sent: progress(before + sent, total)


def files_of(files: GivenImages) -> list[File]:
    """The files of an upload under the names that the server receives. Raises FolderError, BadArgument."""
    named = (
        _of_folder(Path(files))
        if isinstance(files, str | Path) and Path(files).is_dir()
        else each_given(files)
    )
    if not named:
        raise BadArgument(
            requirement="an upload needs files", received="none", remedy="Name a folder or files."
        )
    return [
        File(name, content, len(content) if isinstance(content, bytes) else content.stat().st_size)
        for name, content in named
    ]


def _of_folder(folder: Path) -> list[tuple[str, bytes | Path]]:
    paths = image_files(folder, recursive=True)
    return list(zip(relative_names(paths, folder), paths, strict=True))


def with_serials(files: Sequence[File], serials: str | Mapping[str, str] | None) -> list[File]:
    """The files with the serial numbers said of them. Raises BadArgument where one is missing or left over."""
    if serials is None or isinstance(serials, str):
        return [replace(file, serial=serials) for file in files]
    names = {file.name for file in files}
    odd = sorted(names ^ serials.keys())
    if odd:
        raise BadArgument(
            requirement="serial numbers must be given for every file of an upload, and for no other",
            received=f"{odd[0]!r}, {'not a file of it' if odd[0] not in names else 'without one'}, of {len(odd)} such",
            remedy="Name files as they are relative to the folder.",
        )
    return [replace(file, serial=serials[file.name]) for file in files]


def _groups(files: Sequence[File]) -> Iterator[list[File]]:
    group: list[File] = []
    for file in files:
        if group and (len(group) == FILES or sum(other.size for other in group) + file.size > BYTES):
            yield group
            group = []
        group.append(file)
    yield group


def _all_rejected(error: ProblemError) -> Uploaded:
    """The answer to a request of only bad files, which the server sends as a problem. Raises any other problem."""
    files = error.members.get("files")
    if not isinstance(files, list):
        raise error
    entries = [UploadedFile.model_validate(entry) for entry in files]
    beside = [LeftOut.model_validate(each) for each in error.members.get("left_out") or ()]
    return Uploaded(
        accepted=0, duplicate=0, rejected=len(entries), files=entries, left_out=beside, nominal_images=0
    )


def _joined(answers: Sequence[Uploaded]) -> Uploaded:
    return Uploaded(
        accepted=sum(answer.accepted for answer in answers),
        duplicate=sum(answer.duplicate for answer in answers),
        rejected=sum(answer.rejected for answer in answers),
        files=[file for answer in answers for file in answer.files],
        left_out=[each for answer in answers for each in answer.left_out],
        nominal_images=max(answer.nominal_images for answer in answers),
    )
