"""What folders and archives hold beside images: what systems, cameras and storage put there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from app.imaging.header import HEAD_BYTES, format_of

FILES = frozenset({"thumbs.db", "desktop.ini", "ehthumbs.db"})
FOLDERS = frozenset(
    {"__macosx", "@eadir", "#recycle", "@recycle", "$recycle.bin", "#snapshot", "system volume information"}
)


@dataclass(frozen=True)
class LeftOut:
    """A file, or a folder with all in it, that is not read. name: relative, a folder's with a slash at its end."""

    name: str
    reason: str


def is_litter(name: str) -> bool:
    """Whether one part of a path is hidden, or kept by a desktop or storage system for itself."""
    return name.startswith(".") or name.lower() in FILES or name.lower() in FOLDERS


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
            yield LeftOut(name + "/" * is_folder, _reason(place, is_folder))


def _reason(place: Path, is_folder: bool) -> str:
    if is_litter(place.name):
        return "hidden, or kept by a system for itself"
    try:
        if is_folder:
            return f"a folder, with {sum(each.is_file() for each in place.rglob('*')):,} files in it"
        if not place.is_file():
            return "no plain file"
        with place.open("rb") as file:
            found = format_of(file.read(HEAD_BYTES))
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if found is None:
        return "not an image of a kind that is read"
    return f"a {found} whose name ends otherwise: rename it to have it read"
