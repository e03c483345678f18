"""The files of one upload: proven to be images, kept in groups, each with its entry."""

from __future__ import annotations

import hashlib
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any

from app.errors import AppError, ArchiveRefused, ImageRefused
from app.imaging.decode import check_header, decode_image
from app.imaging.media import media_type_of
from app.imaging.names import shown_name
from app.learning.archives import ArchiveLimits, Refused, read_archive
from app.learning.incoming import Incoming, image_limits
from app.problems.problem import problem_of
from app.settings import Settings
from app.store.errors import NotFound
from app.store.images import NewImage
from app.store.staging import Staged
from app.store.store import Store

GROUP = 32  # images kept by one transaction
GROUP_BYTES = 64 << 20

Entry = dict[str, Any]
"""name, archive, status (accepted, duplicate or rejected), sha256, bytes, width, height, problem."""


@dataclass(frozen=True)
class _Waiting:
    """An image proven and staged, to be kept with the next group."""

    entry: Entry
    staged: Staged
    image: NewImage
    media_type: str


class Upload:
    """One request's files, on one thread at a time. ``close`` keeps what waits and deletes the rest."""

    def __init__(self, store: Store, settings: Settings, bank: str, actor: str) -> None:
        self._store, self._settings, self._bank, self._actor = store, settings, bank, actor
        self._waiting: list[_Waiting] = []
        self._incoming: Incoming | None = None
        self.entries: list[Entry] = []
        self.errors: list[AppError] = []
        self.most_files = settings.max_archive_files

    def open(self, name: str = "") -> Incoming:
        """The sink of the next file."""
        self._incoming = Incoming(self._store.blobs.staging, self._settings)
        return self._incoming

    def take(self, name: str | None, incoming: Incoming) -> None:
        """A file that has arrived whole: an image, or an archive of them."""
        shown, staged = shown_name(name, f"image-{len(self.entries) + 1}"), incoming.staged
        self._incoming = None
        with ExitStack() as stack:
            stack.callback(incoming.discard)
            staged.seal()
            if incoming.refused is not None:
                self._reject(shown, None, incoming.refused)
            elif incoming.is_archive:
                self._take_archive(shown, staged)
            elif self._take_image(shown, None, staged.path.read_bytes(), staged):
                stack.pop_all()  # kept or deleted with its group

    def flush(self) -> None:
        """Keep what waits: the bytes first, then one transaction that tells new from known."""
        waiting, self._waiting = self._waiting, []
        try:
            for media_type in {each.media_type for each in waiting}:
                same = [each.staged for each in waiting if each.media_type == media_type]
                self._store.blobs.keep(same, media_type)
            added = (
                self._store.images.add(self._bank, [w.image for w in waiting], actor=self._actor)
                if waiting
                else []
            )
        finally:
            for each in waiting:
                each.staged.__exit__(None, None, None)
        for each, status in zip(waiting, added, strict=True):
            each.entry["status"] = status

    def close(self) -> None:
        """After success and failure alike; what failed once is not raised again."""
        with suppress(AppError):
            self.flush()
        if self._incoming is not None:
            self._incoming.discard()

    def _take_archive(self, archive: str, staged: Staged) -> None:
        s = self._settings
        limits = ArchiveLimits(
            s.max_archive_files, s.max_archive_bytes, s.max_image_bytes, s.max_archive_ratio
        )
        try:
            for member in read_archive(staged.path, limits):
                name = shown_name(member.name, f"image-{len(self.entries) + 1}")
                if isinstance(member, Refused):
                    self._reject(name, archive, member.error)
                else:
                    self._take_image(name, archive, member.data)
        except ArchiveRefused as error:
            self._reject(archive, None, error)

    def _take_image(self, name: str, archive: str | None, data: bytes, staged: Staged | None = None) -> bool:
        """Whether the image now waits to be kept; else it is known or refused, and has its entry.

        Cheapest first: its header, whether the set has it, its pixels; what is kept is synced last.
        """
        try:
            check_header(data, limits := image_limits(self._settings))
        except ImageRefused as error:
            self._reject(name, archive, error)
            return False
        sha256 = staged.sha256 if staged else hashlib.sha256(data).hexdigest()
        entry: Entry = {
            "name": name,
            "archive": archive,
            "status": "duplicate",
            "sha256": sha256,
            "bytes": len(data),
        }
        if self._is_known(entry):
            self.entries.append(entry)
            return False
        try:
            height, width = decode_image(data, limits).shape[:2]
        except ImageRefused as error:
            self._reject(name, archive, error)
            return False
        image = NewImage(sha256, name, len(data), width, height)
        entry |= {"width": width, "height": height}
        kept = staged.finish() if staged else self._stage(data)
        self.entries.append(entry)
        self._waiting.append(_Waiting(entry, kept, image, media_type_of(data)))
        if len(self._waiting) >= GROUP or sum(each.image.bytes for each in self._waiting) >= GROUP_BYTES:
            self.flush()
        return True

    def _is_known(self, entry: Entry) -> bool:
        """Whether the set has the image; its size is then noted."""
        try:
            known = self._store.images.get(self._bank, entry["sha256"])
        except NotFound:
            return False
        entry |= {"width": known.width, "height": known.height}
        return True

    def _stage(self, data: bytes) -> Staged:
        staged = self._store.blobs.staging.begin(len(data))
        try:
            staged.write(data)
            return staged.finish()
        except BaseException:
            staged.__exit__(None, None, None)
            raise

    def _reject(self, name: str, archive: str | None, error: AppError) -> None:
        problem = problem_of(error).document()
        self.errors.append(error)
        self.entries.append({"name": name, "archive": archive, "status": "rejected", "problem": problem})
