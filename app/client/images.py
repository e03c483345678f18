"""Calls about nominal images. An upload is several requests; sending it again is harmless: content names images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from app.client.bodies import File, Form
from app.client.call import SLOW, Call, Flow, Pages, at, content, nothing, pages_of, parsed
from app.client.errors import BadArgument, ProblemError
from app.http.schemas.banks import Image, Uploaded, UploadedFile
from app.imaging.folders import list_images as image_files
from app.imaging.folders import relative_names

FILES, BYTES = 100, 32 << 20  # of one request, unless a single file is larger

Progress = Callable[[int, int], None]
"""Hears of (bytes sent, bytes in all)."""


def list_images(bank: str) -> Pages[Image]:
    """The nominal set, by name."""
    return pages_of(Image, at("/v1/banks/{}/images", bank), "after")


def get_image(bank: str, sha256: str) -> Call[bytes]:
    """An image as it was received."""
    return Call("GET", at("/v1/banks/{}/images/{}", bank, sha256), content)


def get_thumbnail(bank: str, sha256: str, side: int = 256) -> Call[bytes]:
    """A small JPEG of an image, ``side`` pixels each way at most."""
    return Call("GET", at("/v1/banks/{}/images/{}/thumbnail", bank, sha256), content, {"side": side})


def delete_image(bank: str, sha256: str) -> Call[None]:
    """Take an image out of the nominal set."""
    return Call("DELETE", at("/v1/banks/{}/images/{}", bank, sha256), nothing)


def upload_images(
    bank: str, files: Path | Sequence[Path], *, progress: Progress = lambda sent, total: None
) -> Flow[Uploaded]:
    """Add images to the nominal set: a folder of them, or files, among them zips and tars. Each is answered for.

    Where it broke off, what was sent is kept: call it again. Raises ProblemError where not one file was kept,
    FolderError for a folder without images.
    """
    found = _files(files)
    total, before = sum(file.size for file in found), 0
    answers: list[Uploaded] = []
    refused: ProblemError | None = None
    for group in _groups(found):
        try:
            answers.append((yield _one(bank, group, _after(before, total, progress))))
        except ProblemError as error:
            answers.append(_all_rejected(error))
            refused = error
        before += sum(file.size for file in group)
        progress(before, total)
    if refused is not None and not any(answer.accepted or answer.duplicate for answer in answers):
        raise refused
    return _joined(answers)


def _one(bank: str, group: Sequence[File], sent: Callable[[int], None]) -> Call[Uploaded]:
    path = at("/v1/banks/{}/images", bank)
    return Call("POST", path, parsed(Uploaded), body=Form(group, sent), repeatable=True, silence=SLOW)


def _after(before: int, total: int, progress: Progress) -> Callable[[int], None]:
    """Progress of one request among several."""
    return lambda sent: progress(before + sent, total)


def _files(files: Path | Sequence[Path]) -> list[File]:
    if isinstance(files, Path) and files.is_dir():
        paths = image_files(files, recursive=True)
        names = relative_names(paths, files)
    else:
        paths = [files] if isinstance(files, Path) else list(files)
        names = [path.name for path in paths]
    if not paths:
        raise BadArgument(
            requirement="an upload needs files", received="none", remedy="Name a folder or files."
        )
    return [File(name, path, path.stat().st_size) for name, path in zip(names, paths, strict=True)]


def _groups(files: Sequence[File]) -> Iterator[list[File]]:
    group: list[File] = []
    for file in files:
        if group and (len(group) == FILES or sum(other.size for other in group) + file.size > BYTES):
            yield group
            group = []
        group.append(file)
    yield group


def _all_rejected(error: ProblemError) -> Uploaded:
    """The answer that a request of bad files alone would have, were it not a problem. Raises any other problem."""
    files = error.members.get("files")
    if not isinstance(files, list):
        raise error
    entries = [UploadedFile.model_validate(entry) for entry in files]
    return Uploaded(accepted=0, duplicate=0, rejected=len(entries), files=entries, nominal_images=0)


def _joined(answers: Sequence[Uploaded]) -> Uploaded:
    return Uploaded(
        accepted=sum(answer.accepted for answer in answers),
        duplicate=sum(answer.duplicate for answer in answers),
        rejected=sum(answer.rejected for answer in answers),
        files=[file for answer in answers for file in answer.files],
        nominal_images=max(answer.nominal_images for answer in answers),
    )
