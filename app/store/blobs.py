"""Content-addressed bytes, a row for each: staged, pinned in the database, published, referred to.

Why in that order. A blob nothing refers to is garbage (``collect``), and the same bytes may be uploaded
at the very moment they are collected. Both sides meet at the blob's row: ``keep`` writes or touches it
before it publishes the file, ``collect`` holds it locked while it deletes file and row, and only if it is
older than the grace. So an upload either comes first, and its fresh row is left alone, or second, and
publishes the file anew. Should the clock jump over the grace between keeping and referring, the foreign
key refuses the reference: an error, never a lost file.
"""

from __future__ import annotations

import hashlib
import secrets
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import IO, BinaryIO, Literal

from sqlalchemy import ColumnElement, Select, exists, or_, select, update
from sqlalchemy.orm import Session

from app.store.cached import CachedFiles
from app.store.database import Database
from app.store.errors import BlobCorrupt, BlobMissing
from app.store.files import BlobFiles, LocalFiles, missing, unavailable
from app.store.ids import Clock
from app.store.schema import Blob, CheckImage, CheckRun, Image, Inspection, JobImage, Screening, Version
from app.store.staging import SUFFIX, Staged, Staging

CHUNK = 1 << 20
REFERENCES = (
    Image.sha256, Version.sha256, JobImage.sha256, Inspection.image_sha256, Screening.sha256, CheckImage.sha256,
    CheckRun.sha256,
)  # fmt: skip

BLOB_FAULTS = (BlobMissing, BlobCorrupt)


@dataclass(frozen=True)
class Collected:
    """What one sweep deleted."""

    blobs: int
    bytes: int


class Blobs:
    """Puts, gives and collects blobs."""

    def __init__(
        self,
        database: Database,
        files: BlobFiles,
        staging: Staging,
        clock: Clock,
        kept: Callable[[], None] = lambda: None,
        cached: CachedFiles | None = None,
    ) -> None:
        """kept: is called once something is kept (app/store/continuity.py). cached: for ``as_file`` of remote files."""
        self._cached = cached
        self._database, self._clock, self._kept = database, clock, kept
        self.files, self.staging = files, staging
        added = database.insert(Blob)
        touched = {"touched_at": added.excluded.touched_at}
        self._upsert = database.insertion(
            added.on_conflict_do_update(index_elements=["sha256"], set_=touched)
        )

    def put(self, source: IO[bytes] | Iterable[bytes], *, limit: int, media_type: str) -> Staged:
        """Store a stream of at most ``limit`` bytes, durably; what came has ``sha256`` and ``bytes``."""
        with self.staging.begin(limit) as staged:
            for chunk in chunks(source):
                staged.write(chunk)
            self.keep([staged.finish()], media_type)
            return staged

    def keep(self, staged: Sequence[Staged], media_type: str) -> None:
        """Make finished uploads permanent, with one transaction for all of them."""
        now = self._clock.now()
        unique = sorted({each.sha256: each for each in staged}.values(), key=lambda each: each.sha256)
        rows = [
            {"sha256": each.sha256, "bytes": each.bytes, "media_type": media_type, "touched_at": now}
            for each in unique
        ]
        self._database.append((self._upsert, rows))
        for each in unique:
            self.files.publish(each)
        self._kept()

    def size(self, sha256: str) -> int:
        """How many bytes were stored. Raises ``BlobMissing``."""
        with self._database.read() as session:
            if (blob := session.get(Blob, sha256)) is None:
                raise missing(sha256)
            return blob.bytes

    def open(self, sha256: str) -> BinaryIO:
        """The bytes as a stream, unverified. Raises ``BlobMissing``."""
        return self.files.open(sha256)

    def read(self, sha256: str) -> bytes:
        """The bytes whole. Raises ``BlobMissing`` or ``BlobCorrupt``."""
        with self.open(sha256) as file:
            data = file.read()
        _verify(sha256, hashlib.sha256(data).hexdigest())
        return data

    def check(self, sha256: str) -> int:
        """Read the bytes whole; how many. Raises ``BlobMissing`` or ``BlobCorrupt``."""
        with self.open(sha256) as file:
            return self._compare(sha256, file)

    def is_whole(self, sha256: str) -> bool:
        """Whether the bytes are there and have their digest; reads them whole."""
        try:
            self.check(sha256)
        except BLOB_FAULTS:
            return False
        return True

    def verified(self, sha256: str) -> IO[bytes]:
        """The bytes as a stream, to close, once all were read and compared. Raises ``BlobMissing``, ``BlobCorrupt``."""
        with ExitStack() as stack:
            file: IO[bytes] = stack.enter_context(self.open(sha256))
            copy = None
            if not isinstance(self.files, LocalFiles):
                copy = stack.enter_context(tempfile.TemporaryFile(dir=self.staging.directory))
            self._compare(sha256, file, copy)
            given = copy or file
            given.seek(0)
            stack.pop_all()
        if copy is not None:
            file.close()
        return given

    @contextmanager
    def as_file(self, sha256: str, *, anew: bool = False) -> Iterator[Path]:
        """A path to the verified bytes, to read while the block lasts; a copy where they lie remotely.

        anew: read from where they lie, whether this machine has a copy or not.
        """
        if isinstance(self.files, LocalFiles):
            self.check(sha256)
            yield self.files.path(sha256)
            return
        path = self.staging.directory / (secrets.token_hex(16) + SUFFIX)
        try:
            if anew or not self._taken(sha256, path):
                path.unlink(missing_ok=True)
                with self.open(sha256) as file, path.open("xb") as copy:
                    self._compare(sha256, file, copy)
                if self._cached is not None:
                    self._cached.keep(sha256, path)
            yield path
        finally:
            path.unlink(missing_ok=True)

    def _taken(self, sha256: str, path: Path) -> bool:
        """Whether this machine has a whole copy, which then is at ``path`` too."""
        if self._cached is None or not self._cached.take(sha256, path):
            return False
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() == sha256:
                return True
        self._cached.forget(sha256)
        return False

    def _compare(self, sha256: str, file: IO[bytes], copy: IO[bytes] | None = None) -> int:
        """Read ``file`` whole, into ``copy`` if there is one; its bytes. Raises ``BlobCorrupt``."""
        digest, size = hashlib.sha256(), 0
        try:
            for chunk in chunks(file):
                digest.update(chunk)
                size += len(chunk)
                if copy is not None:
                    copy.write(chunk)
        except OSError as error:
            if not isinstance(self.files, LocalFiles):
                raise unavailable(self.files.place, error) from error
            raise _corrupt(sha256, f"a file that cannot be read: {error.strerror or error}") from error
        _verify(sha256, digest.hexdigest())
        return size

    def collect(self, grace_seconds: float) -> Collected:
        """Delete every blob that nothing refers to and nobody sent for ``grace_seconds``."""
        before = self._clock.now() - timedelta(seconds=grace_seconds)
        unused = select(Blob.sha256).where(Blob.touched_at < before, ~referred())
        with self._database.read() as session:
            names = session.scalars(unused).all()
        sizes = [size for name in names if (size := self._collect_one(name, unused)) is not None]
        return Collected(len(sizes), sum(sizes))

    def _collect_one(self, sha256: str, unused: Select[str]) -> int | None:
        """Delete one blob if, now that its row is locked, it still is garbage; its size in bytes."""
        with self._database.write() as session:
            blob = session.get(Blob, sha256, with_for_update=True)
            if blob is None or session.scalar(unused.where(Blob.sha256 == sha256)) is None:
                return None
            self.files.delete(sha256)
            session.delete(blob)
            return blob.bytes


def touch(session: Session, clock: Clock, *sha256: str) -> None:
    """Start the grace of blobs anew when a reference is dropped: a running backup may want them."""
    session.execute(update(Blob).where(Blob.sha256.in_(sha256)).values(touched_at=clock.now()))


def referred() -> ColumnElement[bool]:
    """Whether anything refers to a row of blobs, as SQL."""
    return or_(*(exists().where(column == Blob.sha256) for column in REFERENCES))


def fault_of(error: BlobMissing | BlobCorrupt) -> Literal["missing", "damaged"]:
    """``missing`` or ``damaged``."""
    return "missing" if isinstance(error, BlobMissing) else "damaged"


def chunks(source: IO[bytes] | Iterable[bytes]) -> Iterator[bytes]:
    """A stream's bytes, a mebibyte at a time; other iterables as they are."""
    read = getattr(source, "read", None)
    return iter(source) if read is None else iter(lambda: read(CHUNK), b"")


def _verify(sha256: str, found: str) -> None:
    if found != sha256:
        raise _corrupt(sha256, f"bytes of digest {found}")


def _corrupt(sha256: str, received: str) -> BlobCorrupt:
    return BlobCorrupt(
        requirement=f"the blob {sha256} must hold the bytes its name is the digest of",
        received=received,
        remedy="Check the disk; 'nominal store heal' takes it back from a backup, or send the file again.",
    )
