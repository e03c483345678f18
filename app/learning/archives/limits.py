"""What an archive may hold: limits, the meter that counts against them, the rules every member must meet."""

from __future__ import annotations

import bz2
import lzma
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import PureWindowsPath
from typing import BinaryIO, Protocol

from app.errors import ArchiveBomb, ArchiveEntryRefused, ArchiveTooLarge, ArchiveTooManyFiles
from app.imaging.header import archive_of
from nominal_client.litter import HIDDEN, LeftOut, litter_of

CHUNK = 64 * 1024
JUDGED_FROM = 1 << 20  # bytes; below this a high ratio is padding, not a bomb


@dataclass(frozen=True)
class ArchiveLimits:
    """files: members of any kind; total_bytes, file_bytes: unpacked; ratio: unpacked bytes per packed one;
    name_length: characters of a member's name."""

    files: int = 20_000
    total_bytes: int = 16 << 30
    file_bytes: int = 64 << 20
    ratio: int = 100
    name_length: int = 255


@dataclass(frozen=True)
class Member:
    """A regular file of the archive. ``name`` is for people to read and never a path to open."""

    name: str
    data: bytes = field(repr=False)


@dataclass(frozen=True)
class Refused:
    """A member that was not read, and why."""

    name: str
    error: ArchiveEntryRefused


Item = Member | Refused | LeftOut


class Meter:
    """Counts what an archive unpacks to. ``packed`` is the archive's size in bytes."""

    def __init__(self, limits: ArchiveLimits, packed: int) -> None:
        self._limits, self._packed = limits, packed
        self._files = self._bytes = 0

    def file(self) -> None:
        """Counts one member. Raises ``ArchiveTooManyFiles``."""
        self._files += 1
        if self._files > self._limits.files:
            raise too_many(self._limits)

    def unpacked(self, count: int) -> None:
        """Counts unpacked bytes. Raises ``ArchiveTooLarge``, ``ArchiveBomb``."""
        self._bytes += count
        if self._bytes > self._limits.total_bytes:
            raise ArchiveTooLarge(
                requirement=f"an archive may unpack to {self._limits.total_bytes} bytes",
                received=f"one of {self._packed} bytes that unpacks to more",
                remedy="Send it in several archives.",
            )
        if self._bytes > JUDGED_FROM and self._bytes > self._limits.ratio * self._packed:
            raise ArchiveBomb(
                requirement=f"an archive may unpack to {self._limits.ratio} times its size",
                received=f"one of {self._packed} bytes that unpacks to more",
                remedy="Send images as PNG or JPEG, which do not pack further.",
            )


def too_many(limits: ArchiveLimits) -> ArchiveTooManyFiles:
    """The error for a member too many."""
    return ArchiveTooManyFiles(
        requirement=f"an archive may hold {limits.files} files",
        received="more",
        remedy="Send it in several archives.",
    )


class Names:
    """Turns members' names into names to show, each once."""

    def __init__(self, limits: ArchiveLimits) -> None:
        self._length = limits.name_length
        self._seen: set[str] = set()

    def admit(self, raw: str) -> str:
        """The name to show. Raises ``ArchiveEntryRefused`` for paths that leave the archive and repeats."""
        if len(raw) > self._length:
            raise refuse(
                "name_too_long", f"a name in an archive may have {self._length} characters", f"{len(raw)}"
            )
        parts = raw.replace("\\", "/").split("/")
        if ".." in parts or not parts[0] or PureWindowsPath(raw).drive:
            raise refuse(
                "path", "a name in an archive must stay inside it", "none, an absolute path, or one with '..'"
            )
        name = shown(raw, self._length)
        if name in self._seen:
            raise refuse("duplicate_name", "a name in an archive must occur once", "the same name again")
        self._seen.add(name)
        return name


def shown(raw: str, length: int) -> str:
    """``raw`` in NFC, control and format characters replaced by U+FFFD, cut to ``length`` characters."""
    normal = unicodedata.normalize("NFC", raw[: 4 * length].replace("\\", "/").removeprefix("./"))
    return "".join("\ufffd" if unicodedata.category(c)[0] == "C" else c for c in normal)[:length]


def litter(raw: str, length: int) -> LeftOut | None:
    """A member that is hidden or one that systems add by themselves, by any part of its path; None for any other."""
    place = litter_of(raw)
    return None if place is None else LeftOut(shown(place, length), HIDDEN)


def check_size(size: int, limits: ArchiveLimits) -> None:
    """Raises ``ArchiveEntryRefused`` for a member above ``file_bytes``."""
    if size > limits.file_bytes:
        raise refuse("too_large", f"a file may have {limits.file_bytes} bytes", f"{size} bytes")


def check_content(data: bytes) -> None:
    """Raises ``ArchiveEntryRefused`` for an archive inside the archive."""
    if archive_of(data) is not None:
        raise refuse(
            "nested_archive",
            "an archive may not hold archives",
            "one inside",
            "Unpack it and send its files.",
        )


def refuse(
    reason: str, requirement: str, received: str, remedy: str = "Pack the file anew."
) -> ArchiveEntryRefused:
    """The error for one member."""
    return ArchiveEntryRefused(reason, requirement=requirement, received=received, remedy=remedy)


PIECE = 64 * 1024
XZ_MEMORY = 128 << 20  # bytes; xz -9 needs 65 MiB, a hostile header may ask for 4 GiB


class Decompressor(Protocol):
    """What ``bz2.BZ2Decompressor`` and ``lzma.LZMADecompressor`` have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class Inflate:
    """Reads one or several compressed streams one after another."""

    def __init__(self, source: BinaryIO, start: Callable[[], Decompressor]) -> None:
        self._source, self._start = source, start
        self._stream = start()
        self._pending = b""  # read from the source, not yet given to the stream

    def read(self, count: int) -> bytes:
        """1 to ``count`` bytes; none at the end. Raises ``EOFError`` if cut off, ``ValueError`` if broken."""
        data = b""
        while not data:
            if self._stream.eof and not self._next_stream():
                return b""
            data = self._decompress(count)
        return data

    def _decompress(self, count: int) -> bytes:
        packed, self._pending = self._pending, b""
        if self._stream.needs_input and not packed:
            packed = self._source.read(PIECE)
            if not packed:
                raise EOFError("compressed data that ends too early")
        try:
            return self._stream.decompress(packed, count)
        except (OSError, lzma.LZMAError) as error:  # bz2 says OSError for broken data
            raise ValueError(str(error)) from None

    def _next_stream(self) -> bool:
        self._pending = (self._stream.unused_data or self._source.read(PIECE)).lstrip(
            b"\0"
        )  # xz pads by zeros
        if self._pending:
            self._stream = self._start()
        return bool(self._pending)


def bunzip2() -> Decompressor:
    """A fresh bzip2 stream; bzip2 never takes more than 4 MiB."""
    return bz2.BZ2Decompressor()


def unxz() -> Decompressor:
    """A fresh xz stream, which refuses a dictionary beyond ``XZ_MEMORY``."""
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY)
