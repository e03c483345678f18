"""An upload: files in several requests, their answers joined. Sending it again is harmless: images go by content."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from nominal_client.answers.banks import LeftOut, UploadedFiles
from nominal_client.call import SLOW, Call, Flow, Params, parsed
from nominal_client.errors import BadArgument, ProblemError
from nominal_client.folders import list_images as image_files
from nominal_client.folders import relative_names
from nominal_client.images import GivenImages, each_given
from nominal_client.litter import left_out
from nominal_client.streams import File, form

U = TypeVar("U", bound=UploadedFiles)
FILES, BYTES = 100, 32 << 20  # of one request, unless a single file is larger

Progress = Callable[[int, int], None]
"""Receives (bytes sent, bytes in all)."""


def send(
    kind: type[U],
    count: str,
    path: str,
    params: Params,
    files: GivenImages,
    serials: str | Mapping[str, str] | None,
    progress: Progress,
) -> Flow[U]:
    """Files to ``path`` in several requests, their answers joined as a ``kind``; ``count`` is its field of all images.

    Raises ProblemError if no file was kept, FolderError, BadArgument.
    """
    found = with_serials(files_of(files), serials)
    total, before = sum(file.size for file in found), 0
    answers: list[U] = []
    refused: ProblemError | None = None
    for group in _groups(found):
        body = form(group, _after(before, total, progress))
        call = Call("POST", path, parsed(kind), params, body=body, repeatable=True, silence=SLOW)
        try:
            answers.append((yield from call))
        except ProblemError as error:
            answers.append(kind.model_validate(_all_rejected(error) | {count: 0}))
            refused = error
        before += sum(file.size for file in group)
        progress(before, total)
    if refused is not None and not any(answer.accepted or answer.duplicate for answer in answers):
        raise refused
    joined = _joined(answers)
    most = max(getattr(answer, count) for answer in answers)
    return kind.model_validate(
        joined | {"left_out": [*_beside(files, found), *joined["left_out"]], count: most}
    )


def _beside(files: GivenImages, sent: Sequence[File]) -> list[LeftOut]:
    """What a folder holds that is not sent."""
    if not isinstance(files, str | Path) or not Path(files).is_dir():
        return []
    paths = [file.content for file in sent if isinstance(file.content, Path)]
    return [LeftOut.model_validate(each) for each in left_out(Path(files), paths)]


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


def _all_rejected(error: ProblemError) -> dict[str, Any]:
    """The answer to a request of only bad files, which the server sends as a problem. Raises any other problem."""
    files = error.members.get("files")
    if not isinstance(files, list):
        raise error
    beside = error.members.get("left_out") or []
    return {"accepted": 0, "duplicate": 0, "rejected": len(files), "files": files, "left_out": beside}


def _joined(answers: Sequence[UploadedFiles]) -> dict[str, Any]:
    return {
        "accepted": sum(answer.accepted for answer in answers),
        "duplicate": sum(answer.duplicate for answer in answers),
        "rejected": sum(answer.rejected for answer in answers),
        "files": [file for answer in answers for file in answer.files],
        "left_out": [each for answer in answers for each in answer.left_out],
    }
