"""Image files of an uploaded zip or tar, read one by one within limits; nothing is ever extracted to a path.

The archive lies on disk (it was streamed there) and its members pass through memory one at a time. A member
that may not be read is yielded with its reason and the others go on; where the whole breaks a limit or its
structure does not hold, the iteration ends in an ``ArchiveRefused``, and what was yielded before is good.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from app.errors import ArchiveUnsupported
from app.imaging.header import archive_of
from app.learning.archives.limits import ArchiveLimits, Item, Member, Refused
from app.learning.archives.tar import read_tar
from app.learning.archives.zip import read_zip
from nominal_client.formats import HEAD_BYTES

__all__ = ["HEAD_BYTES", "ArchiveLimits", "Item", "Member", "Refused", "archive_kind", "read_archive"]

READ = ("zip", "tar", "gzip", "bzip2", "xz")


def archive_kind(head: bytes) -> str | None:
    """zip, tar, gzip, bzip2 or xz by the file's first ``HEAD_BYTES`` bytes; None for anything else."""
    kind = archive_of(head)
    return kind if kind in READ else None


def read_archive(path: Path, limits: ArchiveLimits | None = None) -> Iterator[Item]:
    """Every regular file of the archive at ``path``, in its order, without folders; litter comes as ``LeftOut``.

    Raises ``ArchiveUnsupported`` at the first step, other ``ArchiveRefused`` at any. Closing the iterator
    closes the file.
    """
    limits = limits or ArchiveLimits()
    with path.open("rb") as file:
        kind = archive_kind(file.read(HEAD_BYTES))
        file.seek(0)
        size = path.stat().st_size
        if kind is None:
            raise ArchiveUnsupported(
                requirement="an archive must be a zip, or a tar (plain, .gz, .bz2 or .xz)",
                received=f"{size} bytes that begin as none of these",
                remedy="Pack the images as zip or tar.gz.",
            )
        yield from read_zip(file, size, limits) if kind == "zip" else read_tar(file, kind, size, limits)
