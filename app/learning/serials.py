"""Which part each image of an upload shows: a serial number for all its files or for each, or a manifest of images.

What is said is kept once all files are there, so that it may come before them or after.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any

from app.errors import FieldInvalid
from app.imaging.header import shown_name
from app.store.ids import shown
from app.store.images import serial_conflict
from app.store.schema import LONGEST_TEXT
from core.errors import GroupsFileError
from core.groups import table_parts

MANIFEST = "parts.csv"  # a member of this name, in any folder of an archive, is a manifest of that folder
LARGEST_MANIFEST = 8 << 20  # bytes; names and serial numbers of 20,000 images, each as long as it may be

Entry = dict[str, Any]
"""name, archive, status (accepted, duplicate or rejected), sha256, bytes, width, height, serial, problem."""


def check_serial(text: str) -> str:
    """``text`` without the spaces around it. Raises FieldInvalid unless it can be a part's serial number."""
    serial = unicodedata.normalize("NFC", text).strip()
    if 0 < len(serial) <= LONGEST_TEXT and not any(unicodedata.category(c)[0] == "C" for c in serial):
        return serial
    raise FieldInvalid(
        requirement=f"a serial number has 1 to {LONGEST_TEXT} characters, none of them a control character",
        received=f"{len(serial)} characters, {shown(serial)}",
        remedy="Send the number that the part bears, or none.",
    )


class Serials:
    """What one upload says of parts. ``all_files``: of every file, unless the upload itself says others."""

    def __init__(self, all_files: str | None = None) -> None:
        self._all = None if all_files is None else check_serial(all_files)
        self._said: list[str] = []
        self._tables: list[tuple[str, str, str, list[Entry] | None]] = []

    def say(self, text: str) -> None:
        """The next serial number: of the next file in their order. Raises FieldInvalid."""
        self._said.append(check_serial(text))

    def manifest(self, data: bytes, called: str, entries: list[Entry] | None = None) -> None:
        """A table of images and parts, of an archive's files beside it or of all files. Raises GroupsFileError."""
        folder = called.rpartition("/")[0] + "/" if entries is not None and "/" in called else ""
        self._tables.append((_text(data, called), called, folder, entries))

    def by_image(self, files: Sequence[Sequence[Entry]]) -> dict[str, str]:
        """The serial number of each image that was kept, by sha256. files: the entries of each file.

        Raises FieldInvalid, GroupsFileError, and SerialConflict for copies of an image that are said to show
        different parts.
        """
        found: dict[str, str] = {}
        for entry, serial in (*self._in_order(files), *self._in_tables(files)):
            if "sha256" in entry and found.setdefault(entry["sha256"], serial) != serial:
                raise serial_conflict(entry["name"], found[entry["sha256"]], serial)
        return found

    def _in_order(self, files: Sequence[Sequence[Entry]]) -> Iterator[tuple[Entry, str]]:
        said = self._said or ([self._all] if self._all is not None else [])
        if len(said) > 1 and len(said) != len(files):
            raise FieldInvalid(
                requirement="serial is given once for all files, or once for each in their order",
                received=f"{len(said)} serial numbers for {len(files)} files",
                remedy="Send one for each file; the images are kept.",
            )
        for place, entries in enumerate(files):
            for entry in entries if said else ():
                yield entry, said[place if len(said) > 1 else 0]

    def _in_tables(self, files: Sequence[Sequence[Entry]]) -> Iterator[tuple[Entry, str]]:
        everything = [entry for entries in files for entry in entries]
        for text, called, folder, entries in self._tables:
            beside = [e for e in (everything if entries is None else entries) if e["name"].startswith(folder)]
            kept = [e for e in beside if "sha256" in e]
            names = [e["name"].removeprefix(folder) for e in kept]
            rejected = {e["name"].removeprefix(folder) for e in beside if "sha256" not in e}
            for entry, part in zip(kept, table_parts(text, names, called, rejected), strict=True):
                yield entry, check_serial(part)


def is_manifest(name: str) -> bool:
    """Whether an archive's member of this name is a manifest."""
    return name.rpartition("/")[2].lower() == MANIFEST


def _text(data: bytes, called: str) -> str:
    problem = f"{len(data):,} bytes" if len(data) > LARGEST_MANIFEST else None
    try:
        if problem is None:
            return unicodedata.normalize("NFC", data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        problem = f"byte {error.start}, which is not"
    raise GroupsFileError(
        requirement=f"{shown_name(called, MANIFEST)} must be UTF-8 text of at most {LARGEST_MANIFEST >> 20} MB",
        received=problem or "",
        remedy="Save it as UTF-8, one line per image: image,part; the images are kept.",
    )
