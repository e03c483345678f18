"""Members of a tar (POSIX ustar and pax, GNU long names), plain or compressed, in one forward pass.

Headers are parsed by ``tarfile.TarInfo``; the walk is here, because ``tarfile.TarFile`` reads extended headers
whole whatever their size, takes a cut-off archive for a finished one, and seeks where headers tell it.
"""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from app.errors import ArchiveCorrupt, ArchiveEntryRefused
from app.learning.archives.limits import (
    CHUNK,
    ArchiveLimits,
    Inflate,
    Item,
    Member,
    Meter,
    Names,
    Refused,
    bunzip2,
    check_content,
    check_size,
    litter,
    refuse,
    shown,
    unxz,
)

BLOCK = 512
EXTENDED_BYTES = 64 * 1024  # of one long name or pax header; its path may have 255 characters
EXTENDED_IN_A_ROW = 16
LONG_NAME, PAX = tarfile.GNUTYPE_LONGNAME, (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE)
PASSED_OVER = (tarfile.GNUTYPE_LONGLINK, tarfile.XGLTYPE)
WITHOUT_DATA = (
    tarfile.LNKTYPE,
    tarfile.SYMTYPE,
    tarfile.DIRTYPE,
    tarfile.CHRTYPE,
    tarfile.BLKTYPE,
    tarfile.FIFOTYPE,
)
REGULAR = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)


def read_tar(file: BinaryIO, kind: str, packed: int, limits: ArchiveLimits) -> Iterator[Item]:
    """Every regular file of the tar of ``packed`` bytes on disk; see ``app.learning.archives.read_archive``."""
    meter, names = Meter(limits, packed), Names(limits)
    stream = _Stream(_inflated(file, kind), meter)
    while (entry := _next(stream)) is not None:
        meter.file()
        if entry.type == tarfile.DIRTYPE:
            stream.skip(entry.padded)
        elif (found := litter(entry.name, limits.name_length)) is not None:
            stream.skip(entry.padded)
            yield found
        else:
            yield _item(stream, entry, limits, names)
    stream.finish()


@dataclass
class _Entry:
    name: str
    type: bytes
    size: int
    sparse: bool

    @property
    def padded(self) -> int:
        """Bytes that follow the header; links, folders and devices have none, whatever their size says."""
        return 0 if self.type in WITHOUT_DATA else -(-self.size // BLOCK) * BLOCK


def _inflated(file: BinaryIO, kind: str) -> BinaryIO | Inflate | gzip.GzipFile:
    match kind:
        case "gzip":
            return gzip.GzipFile(fileobj=file)
        case "bzip2":
            return Inflate(file, bunzip2)
        case "xz":
            return Inflate(file, unxz)
    return file


class _Stream:
    """The unpacked tar, forward only and counted."""

    def __init__(self, source: BinaryIO | Inflate | gzip.GzipFile, meter: Meter) -> None:
        self._source, self._meter = source, meter

    def read(self, count: int) -> bytes:
        """Exactly ``count`` bytes. Raises ``ArchiveCorrupt`` where the archive ends before."""
        data = bytearray()
        while len(data) < count:
            chunk = self._chunk(min(CHUNK, count - len(data)))
            if not chunk:
                raise _corrupt("an end before it")
            data += chunk
        return bytes(data)

    def skip(self, count: int) -> None:
        while count > 0:
            count -= len(self.read(min(CHUNK, count)))

    def finish(self) -> None:
        """Reads what follows the end mark, so that the compression's checksum is verified."""
        while self._chunk(CHUNK):
            pass

    def _chunk(self, count: int) -> bytes:
        try:
            chunk = self._source.read(count)
        except (gzip.BadGzipFile, zlib.error, EOFError, ValueError) as error:
            raise _corrupt(str(error)) from None
        self._meter.unpacked(len(chunk))
        return chunk


def _next(stream: _Stream) -> _Entry | None:
    """The next member with its extended headers applied; None at the archive's end."""
    long_name, records = None, dict[str, str]()
    for _ in range(EXTENDED_IN_A_ROW):
        header = _header(stream.read(BLOCK))
        if header is None:
            return None
        if header.type == LONG_NAME:
            long_name = _extended(stream, header).split(b"\0")[0].decode("utf-8", "replace")
        elif header.type in PAX:
            records |= _pax(_extended(stream, header))
        elif header.type in PASSED_OVER:
            _extended(stream, header)
        else:
            return _entry(header, long_name, records)
    raise _corrupt(f"more than {EXTENDED_IN_A_ROW} extended headers for one member")


def _header(block: bytes) -> tarfile.TarInfo | None:
    try:
        header = tarfile.TarInfo.frombuf(block, "utf-8", "replace")
    except tarfile.EOFHeaderError:  # type: ignore[attr-defined]  # typeshed lacks it
        return None
    except tarfile.HeaderError as error:
        raise _corrupt(str(error)) from None
    if header.size < 0:
        raise _corrupt(f"a size of {header.size}")
    return header


def _extended(stream: _Stream, header: tarfile.TarInfo) -> bytes:
    if header.size > EXTENDED_BYTES:
        raise _corrupt(f"an extended header of {header.size} bytes, of which {EXTENDED_BYTES} are read")
    return stream.read(-(-header.size // BLOCK) * BLOCK)[: header.size]


def _pax(data: bytes) -> dict[str, str]:
    """Records ``length key=value\\n``, where length counts the whole record."""
    records = dict[str, str]()
    at = 0
    while at < len(data):
        digits, space, _ = data[at : at + 8].partition(b" ")
        length = int(digits) if space and digits.isdigit() else 0
        key, equals, value = data[at + len(digits) + 1 : at + length].partition(b"=")
        if not equals or at + length > len(data) or not value.endswith(b"\n"):
            raise _corrupt("a pax record that breaks off")
        records[key.decode("utf-8", "replace")] = value[:-1].decode("utf-8", "replace")
        at += length
    return records


def _entry(header: tarfile.TarInfo, long_name: str | None, records: dict[str, str]) -> _Entry:
    size = records.get("size", "")
    if size and not (size.isascii() and size.isdigit() and len(size) < 20):
        raise _corrupt("a pax size that is not a number")
    return _Entry(
        name=records.get("path") or long_name or header.name,
        type=header.type,
        size=int(size) if size else header.size,
        sparse=any(key.startswith("GNU.sparse.") for key in records),
    )


def _item(stream: _Stream, entry: _Entry, limits: ArchiveLimits, names: Names) -> Item:
    """Reads or passes over the member's data, whatever becomes of it, so that the next header follows."""
    try:
        name = names.admit(entry.name)
        if entry.type not in REGULAR or entry.sparse:
            raise refuse(
                "not_a_file", "a member must be a regular file", "a link, device, pipe or sparse file"
            )
        check_size(entry.size, limits)
    except ArchiveEntryRefused as error:
        stream.skip(entry.padded)
        return Refused(shown(entry.name, limits.name_length), error)
    data = stream.read(entry.padded)[: entry.size]
    try:
        check_content(data)
    except ArchiveEntryRefused as error:
        return Refused(name, error)
    return Member(name, data)


def _corrupt(received: str) -> ArchiveCorrupt:
    return ArchiveCorrupt(
        requirement="a tar must be a sequence of whole members with an end mark",
        received=received,
        remedy="The upload may be truncated: send it again, or pack it anew.",
    )
