"""One file of an upload on its way to disk, held to its limits; and the set that the upload's images join."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from app.errors import AppError, ImageRefused
from app.imaging.decode import ImageLimits
from app.learning.archives import HEAD_BYTES, archive_kind
from app.settings import Settings
from app.store.errors import storage_full
from app.store.images import Added, NewImage
from app.store.schema import CheckImage, Image
from app.store.staging import Staged, Staging

RESERVE_CHECK = 64 << 20  # bytes between looks at the free disk space


class Shelf(Protocol):
    """The set that an upload's images join."""

    @property
    def bank(self) -> str:
        """Whose set it is."""
        ...

    def aside(self, name: str) -> str | None:
        """Why a file is left out on purpose, by its name; None for one that may join."""
        ...

    def find(self, name: str, sha256: str) -> Image | CheckImage | None:
        """The image, if the set has it. Raises AppError for one that may not join."""
        ...

    def add(self, images: Sequence[NewImage]) -> Sequence[Added | AppError]:
        """What became of each, in the order given; an error for one that is refused."""
        ...

    def say_serials(self, serials: Mapping[str, str]) -> None:
        """Of images by sha256. Raises SerialConflict."""
        ...


class Incoming:
    """The sink of one file. ``refused`` says why the rest of it is dropped."""

    def __init__(self, staging: Staging, settings: Settings, limits: ImageLimits) -> None:
        self._staging, self._limits = staging, limits
        self.staged: Staged = staging.begin(settings.max_body_bytes)
        self.head = b""
        self.refused: AppError | None = None

    @property
    def is_archive(self) -> bool:
        """By its first bytes."""
        return archive_kind(self.head) is not None

    def write(self, chunk: bytes) -> None:
        """Raises ``StorageFull``; an image that is too large only stops being kept."""
        if self.refused is not None:
            return
        before = self.staged.bytes
        self.head += chunk[: HEAD_BYTES - len(self.head)]
        if not self.is_archive:
            try:
                self._limits.check_bytes(before + len(chunk))
            except ImageRefused as error:
                self.refused = error
                return
        self.staged.write(chunk)
        if before // RESERVE_CHECK != self.staged.bytes // RESERVE_CHECK:
            self._keep_reserve()

    def discard(self) -> None:
        """Delete what was not kept."""
        self.staged.__exit__(None, None, None)

    def _keep_reserve(self) -> None:
        free = self._staging.free_bytes()
        if free < self._staging.reserve:
            raise storage_full(f"the disk must keep {self._staging.reserve:,} bytes free", f"{free:,} bytes")
