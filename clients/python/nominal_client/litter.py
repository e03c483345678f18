"""What folders and archives hold beside images: what systems, cameras and storage put there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from nominal_client.formats import HEAD_BYTES, format_of

FILES = frozenset({"thumbs.db", "desktop.ini", "ehthumbs.db", "ehthumbs_vista.db"})
FOLDERS = frozenset(
    {
        "__macosx", "@eadir", "@tmp", "#recycle", "@recycle", "$recycle.bin", "recycler", "#snapshot", "~snapshot",
        "system volume information", "lost+found", "lost.dir", "found.000",
    }
)  # fmt: skip


HIDDEN = "hidden, or kept by a system for itself"
NAMED = 3  # places that a sentence about what is left out names


@dataclass(frozen=True)
class LeftOut:
    """A file, or a folder with all in it, that is not read.

    name: relative, a folder's with a slash at its end. files: how many files it is or holds.
    """

    name: str
    reason: str
    files: int = 1


def is_litter(name: str) -> bool:
    """Whether one part of a path is hidden, or kept by a desktop or storage system for itself."""
    return name.startswith(".") or name.lower() in FILES or name.lower() in FOLDERS


def litter_of(path: str) -> str | None:
    """The part of a file's path that makes it litter, with what is above it: ``good/@eaDir/``; None if nothing does.

    path: relative, with slashes of either kind, as archives and forms give it.
    """
    parts = path.replace("\\", "/").split("/")
    for place, part in enumerate(parts):
        if part not in ("", ".", "..") and is_litter(part):
            return "/".join(parts[: place + 1]).removeprefix("./") + "/" * (place + 1 < len(parts))
    return None


def sentences(left: Iterable[LeftOut]) -> list[str]:
    """What is left out, a sentence per reason: ``Not read, 4 files: @eaDir/ and 1 more (hidden, ...).``"""
    by_reason: dict[str, list[LeftOut]] = {}
    for each in left:
        by_reason.setdefault(each.reason, []).append(each)
    return [_sentence(reason, places) for reason, places in by_reason.items()]


def _sentence(reason: str, places: list[LeftOut]) -> str:
    files, more = sum(each.files for each in places), len(places) - NAMED
    named = ", ".join(each.name for each in places[:NAMED]) + (f" and {more:,} more" if more > 0 else "")
    return f"Not read, {files:,} file{'s' * (files != 1)}: {named} ({reason})."


def left_out(folder: Path, read: Iterable[Path]) -> list[LeftOut]:
    """All in a folder but the files that are ``read``, each with the reason, in the order of their names.

    A folder in which nothing is read is named once.
    """
    taken = set(read)
    above = {parent for path in taken for parent in path.parents}
    return list(_walk(folder, folder, taken, above))


def _walk(folder: Path, root: Path, taken: set[Path], above: set[Path]) -> Iterator[LeftOut]:
    for place in sorted(folder.iterdir()):
        name = place.relative_to(root).as_posix()
        if place in above:
            yield from _walk(place, root, taken, above)
        elif place not in taken:
            is_folder = place.is_dir() and not place.is_symlink()
            files = sum(each.is_file() for each in place.rglob("*")) if is_folder else 1
            yield LeftOut(name + "/" * is_folder, _reason(place, is_folder), files)


def _reason(place: Path, is_folder: bool) -> str:
    if is_litter(place.name):
        return HIDDEN
    try:
        if is_folder:
            return "a folder inside the folder"
        if place.is_symlink() and place.is_dir():
            return "a link to a folder"
        if not place.is_file():
            return "no plain file"
        with place.open("rb") as file:
            found = format_of(file.read(HEAD_BYTES))
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if found is None:
        return "not an image of a kind that is read"
    return f"a {found} whose name ends otherwise: rename it to have it read"
