"""The images of a folder, flat or nested, in the same order on every machine."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from nominal_client.errors import FolderError
from nominal_client.formats import SUFFIXES
from nominal_client.litter import is_litter


def list_images(folder: Path, recursive: bool = False) -> list[Path]:
    """Image files of a folder by suffix, in natural order (2 before 10), the same on every machine.

    Hidden files and folders, and what systems keep for themselves, are left out. Raises FolderError for a folder that
    is absent, holds no image, cannot be read, or holds a link that leads out of it.
    """
    if not folder.is_dir():
        raise FolderError(
            requirement="A folder of images must exist",
            received=f"{folder}, which is {'a file' if folder.exists() else 'not there'}",
            remedy="Name the folder that holds the images.",
        )
    try:
        files = list(_walk(folder, Path(os.path.realpath(folder)), recursive))
    except OSError as error:
        raise FolderError(
            requirement="A folder of images must be readable",
            received=f"{error.filename}: {error.strerror}",
            remedy="Check who may read it.",
        ) from error
    found = [path for path in files if path.suffix.lower() in SUFFIXES]
    if not found:
        raise FolderError(
            requirement=f"A folder must hold at least one image ({', '.join(sorted(SUFFIXES))})",
            received=f"{folder} with none",
            remedy="Name the folder that holds the images themselves.",
        )
    return sorted(found, key=lambda path: natural(path.relative_to(folder)))


def relative_names(paths: Iterable[Path], folder: Path) -> list[str]:
    """Names that tell images of one folder apart, alike on every system: ``scratch/007.png``.

    A name in another encoding than the system's is read as Latin-1.
    """
    return [_text(path.relative_to(folder).as_posix()) for path in paths]


def _text(name: str) -> str:
    try:
        name.encode()
    except UnicodeEncodeError:
        return os.fsencode(name).decode("latin-1")
    return name


def _walk(folder: Path, root: Path, recursive: bool) -> Iterator[Path]:
    """Files and dangling links; folders behind links are not entered, pipes and devices left out."""
    for place in folder.iterdir():
        if is_litter(place.name):
            continue
        if place.is_symlink() and not Path(os.path.realpath(place)).is_relative_to(root):
            raise FolderError(
                requirement="Images must be inside the named folder",
                received=f"the link {place} to {os.path.realpath(place)}",
                remedy="Copy the file into the folder, or remove the link.",
            )
        if place.is_file() or (place.is_symlink() and not place.exists()):
            yield place
        elif recursive and place.is_dir() and not place.is_symlink():
            yield from _walk(place, root, recursive)


def natural(path: Path) -> list[tuple[list[str | int], str]]:
    """A key to sort by: digits compare as numbers, text by code point, folder by folder; equal numbers by spelling."""
    return [(_text_and_numbers(part), part) for part in path.parts]


def _text_and_numbers(name: str) -> list[str | int]:
    """``img10.png`` -> ["img", 10, ".png"]: text and numbers alternate, so like is compared with like."""
    return [int(part) if place % 2 else part for place, part in enumerate(re.split(r"([0-9]+)", name))]
