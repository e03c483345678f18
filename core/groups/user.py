"""Groups as the user says them: a regular expression over file names, a table of images and parts, or none."""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np

from core.errors import GroupsError, GroupsFileError, GroupsPatternError
from core.groups.groups import Groups, Source, numbered, require_several

HEADERS = (("image", "part"), ("image", "serial"))
LARGEST_FILE = 256 << 20  # bytes; a million images with long names take 100 MB
LONGEST_PATTERN = 1000  # characters
SHOWN = 3  # names in a message


def choose(value: str, names: Sequence[str]) -> Groups | None:
    """What the option ``--groups`` says of these images: ``none``, a file or a pattern; None for ``auto``.

    A value that names an existing file is that file. Raises as ``by_file`` and ``by_pattern``.
    """
    if value == "auto":
        return None
    if value == "none":
        return by_photograph(len(names))
    if _is_file(value):
        return by_file(Path(value), names)
    return by_pattern(value, names)


def by_photograph(count: int) -> Groups:
    """Each photograph shows a part of its own."""
    return Groups(np.arange(count, dtype=np.int32), "none")


def by_parts(parts: Sequence[str]) -> Groups:
    """Parts that came with the photographs, such as serial numbers, one for each. Raises OneGroup, GroupsError."""
    without = sum(not part.strip() for part in parts)
    if without:
        raise GroupsError(
            requirement="either each photograph comes with its part, or none does",
            received=f"{without:,} of {len(parts):,} without one",
            remedy="send the part with each photograph, or say the groups otherwise: auto or none",
        )
    return _named([part.strip() for part in parts], "parts")


def by_pattern(pattern: str, names: Sequence[str]) -> Groups:
    """Names in which the pattern finds the same text show one part.

    The text is that of the first capture group, or all that the pattern matches where it has none; it is searched
    anywhere in the name. Raises GroupsPatternError where it does not compile, finds nothing in some names or
    leaves its group out, OneGroup where it finds the same in all.
    """
    compiled = _compiled(pattern)
    found = [_part(compiled, name) for name in names]
    unmatched = [name for name, part in zip(names, found, strict=True) if not part]
    if unmatched:
        raise GroupsPatternError(
            requirement=f"the pattern {pattern!r} must find a part in every image's name",
            received=f"{len(unmatched):,} of {len(names):,} names without one, such as {_some(unmatched)}",
            remedy="correct the pattern, or name the parts in a file",
        )
    return _named([part for part in found if part], "regex")


def by_file(file: Path, names: Sequence[str]) -> Groups:
    """Parts from a table with an image and its part on each line, separated by a tab, a comma or a semicolon.

    A first line ``image,part`` or ``image,serial`` is a header. Each of ``names`` must be there once; UTF-8, with a
    byte order mark or without. Raises GroupsFileError where the file cannot be read, has other columns, is empty, names
    an image twice, names images that are not among ``names`` or leaves some out; OneGroup where all show one part.
    """
    return by_table(_text(file), names, file.name)


def by_table(text: str, names: Sequence[str], called: str = "the groups file") -> Groups:
    """As ``by_file``, for its text. called: its name in messages."""
    return _named(table_parts(text, names, called), "file")


def table_parts(
    text: str, names: Sequence[str], called: str = "the groups file", others: Collection[str] = ()
) -> list[str]:
    """The part of each of ``names`` by the table's text. others: images that it may name besides, or leave out.

    Raises GroupsFileError as ``by_file``.
    """
    parts: dict[str, str] = {}
    for line, image, part in _rows(text, called):
        if image in parts:
            _refuse(
                called, "name each image once", f"{image} again on line {line}", "remove one of the lines"
            )
        parts[image] = part
    if not parts:
        _refuse(
            called,
            "name each image and its part",
            "no line that does",
            "write one line per image: image,part",
        )
    known = {*names, *others}
    absent = [image for image in parts if image not in known]
    missing = [name for name in names if name not in parts]
    if absent:
        _refuse(
            called,
            f"name only images that are there, of {len(names):,}",
            f"{len(absent):,} that are not, such as {_some(absent)}",
            "write the names as they are relative to the folder of images",
        )
    if missing:
        _refuse(
            called,
            f"name the part of each of {len(names):,} images",
            f"none for {len(missing):,}, such as {_some(missing)}",
            "add a line for each",
        )
    return [parts[name] for name in names]


def _rows(text: str, called: str) -> list[tuple[int, str, str]]:
    """(line, image, part) of each line that is not blank, the header left out."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    separator = next((mark for mark in "\t;," if mark in first), ",")
    found: list[tuple[int, str, str]] = []
    reader = csv.reader(text.splitlines(), delimiter=separator)
    try:
        for fields in reader:
            cells = tuple(field.strip() for field in fields)
            if not any(cells):
                continue
            if len(cells) != 2 or not all(cells):
                received = f"{len(cells)} columns" if len(cells) != 2 else "an empty one"
                _refuse(
                    called,
                    "have two columns, image and part",
                    f"{received} on line {reader.line_num}",
                    "write image,part on each line, in quotes where a name holds the separator",
                )
            found.append((reader.line_num, *cells))
    except csv.Error as error:
        _refuse(called, "be a table", str(error), "save it as CSV")
    header = bool(found) and (found[0][1].lower(), found[0][2].lower()) in HEADERS
    return found[1:] if header else found


def _text(file: Path) -> str:
    try:
        size = file.stat().st_size
        if size > LARGEST_FILE:
            _refuse(
                file.name,
                f"have at most {LARGEST_FILE >> 20} MB",
                f"{size >> 20} MB",
                "name the file with the parts",
            )
        return file.read_text("utf-8-sig")
    except OSError as error:
        _refuse(file.name, "be readable", error.strerror or str(error), "check its name and who may read it")
    except UnicodeDecodeError as error:
        _refuse(file.name, "be UTF-8 text", f"byte {error.start} that is not", "save it as UTF-8")


def _compiled(pattern: str) -> re.Pattern[str]:
    if not 0 < len(pattern) <= LONGEST_PATTERN:
        raise GroupsPatternError(
            requirement=f"a pattern for groups has 1 to {LONGEST_PATTERN:,} characters",
            received=f"{len(pattern):,}",
            remedy="write one such as ([0-9]+)_",
        )
    try:
        return re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise GroupsPatternError(
            requirement="groups are auto, none, a file that exists, or a regular expression",
            received=f"{pattern!r}, which is not one: {error}",
            remedy="name an existing file, or correct the expression, for example ^([^_]+)_",
        ) from error


def _part(pattern: re.Pattern[str], name: str) -> str | None:
    match = pattern.search(name)
    return match and match.group(1 if pattern.groups else 0)


def _named(parts: Sequence[str], source: Source) -> Groups:
    return require_several(Groups(numbered(parts), source, tuple(dict.fromkeys(parts))))


def _is_file(value: str) -> bool:
    try:
        return Path(value).is_file()
    except (OSError, ValueError):  # too long, or a null character
        return False


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN])


def _refuse(called: str, must: str, received: str, remedy: str) -> NoReturn:
    raise GroupsFileError(requirement=f"{called} must {must}", received=received, remedy=remedy)
