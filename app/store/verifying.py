"""Every stored file read and compared with what the database says of it, and lost ones taken back from elsewhere.

The store is gone through by the first two digits of the digests, so that memory does not grow with it. A running
server is no hindrance: what it deletes meanwhile is not called lost.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal

from sqlalchemy import select
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.store.blobs import BLOB_FAULTS, Blobs, chunks, fault_of, referred
from app.store.columns import JsonObject
from app.store.database import Database
from app.store.ids import Clock
from app.store.marks import forget_mark, set_mark
from app.store.schema import Blob, CheckImage, CheckRun, Image, Inspection, JobImage, Screening, Version
from app.store.staging import local_faults
from core.errors import Refusal

Column = InstrumentedAttribute[Any]
Fault = Literal["missing", "damaged", "size", "unreadable"]
PREFIXES = [f"{byte:02x}" for byte in range(256)]
NAMED = 3  # users of a file, of each kind
USERS: tuple[tuple[str, tuple[Column, ...], Column], ...] = (
    ("nominal image {} of {}", (Image.name, Image.bank), Image.sha256),
    ("version {} of {}", (Version.number, Version.bank), Version.sha256),
    ("inspection {}", (Inspection.id,), Inspection.image_sha256),
    ("screening {}", (Screening.id,), Screening.sha256),
    ("job {}", (JobImage.job_id,), JobImage.sha256),
    (
        "image {} of the check set {} of {}",
        (CheckImage.name, CheckImage.check_set, CheckImage.bank),
        CheckImage.sha256,
    ),
    (
        "version {} on the check set {} of {}",
        (CheckRun.version, CheckRun.check_set, CheckRun.bank),
        CheckRun.sha256,
    ),
)
LOST = "blobs.lost"  # the mark of how many were lost when somebody looked last


@dataclass(frozen=True)
class Finding:
    """A file that is not as the database says. bytes: as the database says. used_by: some of the rows that need it."""

    sha256: str
    bytes: int
    fault: Fault
    detail: str
    used_by: list[str]


@dataclass
class Totals:
    """What was looked at. unreferenced: files that no row needs, which a sweep deletes. unknown: without a row."""

    files: int = 0
    bytes: int = 0
    unreferenced: int = 0
    unreferenced_bytes: int = 0
    unknown: int = 0
    faults: dict[str, int] = field(default_factory=dict)

    @property
    def lost(self) -> int:
        """How many files are missing or damaged."""
        return self.faults.get("missing", 0) + self.faults.get("damaged", 0)

    def as_json(self) -> JsonObject:
        """As the command line prints it."""
        return dict(vars(self))


class Verifier:
    """Goes through the whole store once; ``totals`` are whole when ``findings`` ends."""

    def __init__(
        self, database: Database, blobs: Blobs, read_bank: Callable[[Path], object] | None = None
    ) -> None:
        """read_bank: raises an error of the product's for a bank file that this release cannot read."""
        self._database, self._blobs, self._read_bank = database, blobs, read_bank
        self.totals = Totals()

    def findings(self) -> Iterator[Finding]:
        """What is wrong, as it is found. Raises ``BlobsUnavailable``."""
        for prefix in PREFIXES:
            files = self._blobs.files.names(prefix)  # before the rows: a row comes before its file
            rows = self._rows(prefix)
            self.totals.unknown += len(files - {sha256 for sha256, _, _ in rows})
            for sha256, size, needed in rows:
                if not needed:
                    self.totals.unreferenced += 1
                    self.totals.unreferenced_bytes += size
                elif (found := self._look(sha256, size)) is not None:
                    self.totals.faults[found.fault] = self.totals.faults.get(found.fault, 0) + 1
                    yield found

    def _rows(self, prefix: str) -> list[tuple[str, int, bool]]:
        query = select(Blob.sha256, Blob.bytes, referred()).where(Blob.sha256.startswith(prefix))
        with self._database.read() as session:
            return [(sha256, size, bool(needed)) for sha256, size, needed in session.execute(query)]

    def _look(self, sha256: str, size: int) -> Finding | None:
        self.totals.files += 1
        self.totals.bytes += size
        try:
            found = self._blobs.check(sha256)
        except BLOB_FAULTS as error:
            return self._finding(sha256, size, fault_of(error), error.received)
        if found != size:
            return self._finding(sha256, size, "size", f"{found} bytes, of which the database says {size}")
        return self._unreadable(sha256, size)

    def _unreadable(self, sha256: str, size: int) -> Finding | None:
        """For the file of a version that is whole, but that this release cannot read."""
        if self._read_bank is None or not self._is_version(sha256):
            return None
        with self._blobs.as_file(sha256, anew=True) as path:
            try:
                self._read_bank(path)
            except Refusal as error:
                return self._finding(sha256, size, "unreadable", str(error))
        return None

    def _is_version(self, sha256: str) -> bool:
        with self._database.read() as session:
            return session.scalar(select(Version.number).where(Version.sha256 == sha256).limit(1)) is not None

    def _finding(self, sha256: str, size: int, fault: Fault, detail: str) -> Finding | None:
        """None where nothing needs the file any more."""
        with self._database.read() as session:
            users = [
                words.format(*row)
                for words, columns, digest in USERS
                for row in session.execute(select(*columns).where(digest == sha256).limit(NAMED))
            ]
        return Finding(sha256, size, fault, detail, users) if users else None


class Healer:
    """Takes lost and damaged files back from files, folders and archives. healed: the digests of those so far."""

    def __init__(self, blobs: Blobs, lost: Iterable[Finding]) -> None:
        self._blobs = blobs
        self._lost = {each.sha256: each.bytes for each in lost if each.fault in ("missing", "damaged")}
        self._sizes = {*self._lost.values()}
        self.healed: list[str] = []

    @property
    def left(self) -> list[str]:
        """The digests of what is still lost."""
        return sorted(self._lost)

    def take(self, path: Path) -> None:
        """Look through a file, a folder with what is below it, or a tar, such as a backup. Raises ``StorageFull``."""
        files = sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]
        for file in files:
            with local_faults(file), file.open("rb") as data:
                self._offer(data, file.stat().st_size)
            with suppress(tarfile.TarError), tarfile.open(file, mode="r:") as tar:
                for member in tar:
                    if member.isreg() and (held := tar.extractfile(member)) is not None:
                        self._offer(held, member.size)

    def _offer(self, data: IO[bytes], size: int) -> None:
        """Keep the bytes if they are lost ones; only what has the size of one is read."""
        if size not in self._sizes:
            return
        with self._blobs.staging.begin(size) as staged:
            for chunk in chunks(data):
                staged.write(chunk)
            if staged.seal().sha256 in self._lost:
                self._blobs.files.publish(staged.finish())
                del self._lost[staged.sha256]
                self.healed.append(staged.sha256)


def note_lost(session: Session, clock: Clock, count: int) -> None:
    """Remember how many files were lost or damaged when somebody looked; none leaves no mark."""
    if count:
        set_mark(session, LOST, str(count), clock.now())
    else:
        forget_mark(session, LOST)
