"""Members of a zip (PKWARE APPNOTE 6.3) through ``zipfile``, which trusts the directory; this does not.

A directory larger than the file limit explains is refused before it is parsed; sizes, ratios and checksums
are held against what is really unpacked; only stored and deflated members are read, because lzma's header
names the memory to take. Overlapping members (Fifield 2019, "A better zip bomb") are bounded by the ratio of
the whole.
"""

from __future__ import annotations

import contextlib
import errno
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from app.errors import ArchiveCorrupt, ArchiveEntryRefused
from app.learning.archives.limits import (
    CHUNK,
    JUDGED_FROM,
    ArchiveLimits,
    Item,
    Member,
    Meter,
    Names,
    Refused,
    check_content,
    check_size,
    litter,
    refuse,
    shown,
    too_many,
)

DIRECTORY_SIGNATURE = b"PK\x01\x02"
DIRECTORY_ENTRY_BYTES = 1024  # a generous entry: 46 bytes, name, extra fields, comment
ENCRYPTED = 0x1 | 0x40 | 0x2000  # traditional, strong, and a masked central directory
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    ValueError,
    OverflowError,
    NotImplementedError,
)


def read_zip(file: BinaryIO, packed: int, limits: ArchiveLimits) -> Iterator[Item]:
    """Every regular file of the zip of ``packed`` bytes; see ``app.learning.archives.read_archive``."""
    meter, names = Meter(limits, packed), Names(limits)
    archive = _open(file, limits)
    for info in archive.infolist():
        meter.file()
        if info.filename.endswith("/"):
            continue
        found = litter(info.filename, limits.name_length)
        yield _item(archive, info, limits, meter, names) if found is None else found


def _open(file: BinaryIO, limits: ArchiveLimits) -> zipfile.ZipFile:
    try:
        with _faults():
            return zipfile.ZipFile(_BoundedDirectory(file, limits))
    except _BrokenZipError as error:
        raise ArchiveCorrupt(
            requirement="a zip must end in a directory of its members",
            received=f"none that can be read ({error})",
            remedy="The upload may be truncated: send it again, or pack it anew.",
        ) from None


def _item(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, limits: ArchiveLimits, meter: Meter, names: Names
) -> Item:
    try:
        name = names.admit(info.filename)
        _check(info, limits)
        data = _unpack(archive, info, meter)
        check_content(data)
        return Member(name, data)
    except ArchiveEntryRefused as error:
        return Refused(shown(info.filename, limits.name_length), error)


def _check(info: zipfile.ZipInfo, limits: ArchiveLimits) -> None:
    """What the directory says of the member; ``_unpack`` finds out whether it lied."""
    if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
        raise refuse("not_a_file", "a member must be a regular file", "a link or device")
    if info.flag_bits & ENCRYPTED:
        raise refuse(
            "encrypted", "a member must not be encrypted", "an encrypted one", "Pack it without a password."
        )
    if info.compress_type not in METHODS:
        raise refuse("compression", "a member must be stored or deflated", f"method {info.compress_type}")
    check_size(info.file_size, limits)
    if info.file_size > JUDGED_FROM and info.file_size > limits.ratio * info.compress_size:
        raise refuse("ratio", f"a file may unpack to {limits.ratio} times its packed size", "more")


def _unpack(archive: zipfile.ZipFile, info: zipfile.ZipInfo, meter: Meter) -> bytes:
    data = bytearray()
    try:
        with _faults(), archive.open(info) as member:  # never gives more than file_size, which was checked
            while chunk := member.read(CHUNK):
                meter.unpacked(len(chunk))
                data += chunk
    except _BrokenZipError as error:
        raise refuse("corrupt", "a member must unpack to what the directory says", str(error)) from None
    if len(data) != info.file_size:
        raise refuse("corrupt", f"a member must unpack to its {info.file_size} bytes", f"{len(data)}")
    return bytes(data)


class _BrokenZipError(Exception):
    """Whatever zipfile raises for a zip that does not hold together."""


@contextlib.contextmanager
def _faults() -> Iterator[None]:
    try:
        yield
    except BROKEN as error:
        raise _BrokenZipError(error) from None
    except OSError as error:
        if error.errno != errno.EINVAL:  # a seek to before the start; any other is the disk's
            raise
        raise _BrokenZipError("an offset outside the file") from None


class _BoundedDirectory:
    """The file as ``zipfile`` reads it: the whole central directory in one call, refused when too large."""

    def __init__(self, file: BinaryIO, limits: ArchiveLimits) -> None:
        self._file, self._limits = file, limits
        self.seek, self.tell, self.seekable, self.close = file.seek, file.tell, file.seekable, file.close

    def read(self, count: int = -1) -> bytes:
        if count > max(self._limits.files * DIRECTORY_ENTRY_BYTES, CHUNK * 2):
            raise too_many(self._limits)
        data = self._file.read(count)
        if data.startswith(DIRECTORY_SIGNATURE) and data.count(DIRECTORY_SIGNATURE) > self._limits.files:
            raise too_many(self._limits)
        return data
