"""The files of one upload: proven to be images, kept in groups, each with its entry."""

from __future__ import annotations

import hashlib
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import partial

from app.errors import AppError, ArchiveRefused, ImageRefused, LabelMissing
from app.imaging.decode import DECODED_BYTES, WHOLE, check_header, decode_photograph
from app.imaging.header import Header, shown_name
from app.imaging.pictures import thumbnail
from app.inspection.engine import SMALL_PIXELS
from app.inspection.inspecting import Inspecting
from app.inspection.lanes import Lane
from app.inspection.viewing import STORED_SIDES
from app.learning.archives import ArchiveLimits, Refused, read_archive
from app.learning.incoming import Incoming, Shelf
from app.learning.likeness import dark_notice
from app.learning.serials import Entry, Serials, is_manifest
from app.problems.problem import problem_of
from app.store.errors import LabelConflict
from app.store.images import NewImage
from app.store.staging import Staged
from core.input.photograph import Photograph
from nominal_client.formats import media_type_of
from nominal_client.litter import HIDDEN, LeftOut, litter_of

GROUP = 32  # images kept by one transaction
GROUP_BYTES = 64 << 20


@dataclass(frozen=True)
class _Waiting:
    """An image proven and staged, to be kept with the next group."""

    entry: Entry
    staged: Staged
    image: NewImage
    media_type: str
    thumbnail: bytes | None  # not of wide samples: the bank says which of their bits count


class Upload:
    """One request's files, on one thread at a time. ``close`` keeps what waits and deletes the rest.

    serials: what the request says of parts, kept by ``finish``. left_out: what is litter, by archive and name. Images
    are decoded in the turns of the bank's background work, so that a line comes first.
    """

    def __init__(self, inspecting: Inspecting, shelf: Shelf, serials: Serials) -> None:
        """To be made on the event loop."""
        self._store, self._settings, self._shelf = inspecting.store, inspecting.settings, shelf
        self._limits, self._memory = inspecting.image_limits, inspecting.memory
        self._lane = Lane(shelf.bank).background()
        self._decode = inspecting.decoders.turn(self._lane)
        self._waiting: list[_Waiting] = []
        self._incoming: Incoming | None = None
        self._starts: list[int] = []  # of each file's entries
        self.serials = serials
        self.entries: list[Entry] = []
        self.errors: list[AppError] = []
        self.left_out: dict[tuple[str | None, str], LeftOut] = {}  # by archive and name
        self.most_files = inspecting.settings.max_archive_files

    def open(self, name: str = "") -> Incoming:
        """The sink of the next file."""
        self._incoming = Incoming(self._store.blobs.staging, self._settings, self._limits)
        return self._incoming

    def take(self, name: str | None, incoming: Incoming) -> None:
        """A file that has arrived whole: an image, or an archive of them."""
        shown, staged = shown_name(name, f"image-{len(self.entries) + 1}"), incoming.staged
        self._starts.append(len(self.entries))
        self._incoming = None
        if (reason := HIDDEN if litter_of(shown) else self._shelf.aside(shown)) is not None:
            self._leave_out(LeftOut(litter_of(shown) or folder_of(shown), reason), None)
            incoming.discard()
            return
        with ExitStack() as stack:
            stack.callback(incoming.discard)
            staged.seal()
            if incoming.refused is not None:
                self._reject(shown, None, incoming.refused)
            elif incoming.is_archive:
                self._take_archive(shown, staged)
            elif self._take_image(shown, None, staged.path.read_bytes(), staged):
                stack.pop_all()  # kept or deleted with its group

    def take_manifest(self, name: str | None, incoming: Incoming) -> None:
        """A table of the request's images and their parts. Raises GroupsFileError."""
        self._incoming = None
        with ExitStack() as stack:
            stack.callback(incoming.discard)
            incoming.staged.seal()
            self.serials.manifest(incoming.staged.path.read_bytes(), shown_name(name, "manifest"))

    def finish(self) -> None:
        """Keep the last files, then what was said of their parts; sending all of it again goes on where this ended.

        Raises FieldInvalid, GroupsFileError, SerialConflict.
        """
        self.flush()
        ends = [*self._starts, len(self.entries)][1:]
        files = [self.entries[start:end] for start, end in zip(self._starts, ends, strict=True)]
        said = self.serials.by_image(files)
        if said:
            self._shelf.say_serials(said)
        for entry in self.entries:
            if serial := said.get(entry.get("sha256", "")):
                entry["serial"] = serial

    def flush(self) -> None:
        """Keep what waits: the bytes first, then one transaction that tells new from known."""
        waiting, self._waiting = self._waiting, []
        try:
            for media_type in {each.media_type for each in waiting}:
                same = [each.staged for each in waiting if each.media_type == media_type]
                self._store.blobs.keep(same, media_type)
            added = self._shelf.add([each.image for each in waiting]) if waiting else []
        finally:
            for each in waiting:
                each.staged.__exit__(None, None, None)
        for each, status in zip(waiting, added, strict=True):
            if isinstance(status, AppError):
                del each.entry["sha256"]
                each.entry.update(status="rejected", problem=problem_of(status).document())
                self.errors.append(status)
                continue
            each.entry["status"] = status
            if each.thumbnail is not None:
                self._store.thumbnails.put(each.image.sha256, STORED_SIDES[0], None, each.thumbnail)

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
        start = len(self.entries)
        manifests: list[tuple[bytes, str]] = []
        try:
            for member in read_archive(staged.path, limits):
                if isinstance(member, LeftOut):
                    self._leave_out(member, archive)
                    continue
                name = shown_name(member.name, f"image-{len(self.entries) + 1}")
                if isinstance(member, Refused):
                    self._reject(name, archive, member.error)
                elif (reason := self._shelf.aside(name)) is not None:
                    self._leave_out(LeftOut(folder_of(name), reason), archive)
                elif is_manifest(name):
                    manifests.append((member.data, name))
                else:
                    self._take_image(name, archive, member.data)
        except ArchiveRefused as error:
            self._reject(archive, None, error)
        for data, name in manifests:
            self.serials.manifest(data, name, self.entries[start:])

    def _take_image(self, name: str, archive: str | None, data: bytes, staged: Staged | None = None) -> bool:
        """Whether the image now waits to be kept; else it is known or refused, and has its entry.

        Cheapest first: its header, whether the set has it, its pixels; what is kept is synced last.
        """
        try:
            header = check_header(data, self._limits)
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
        try:
            if self._is_known(entry):
                self._heal(entry, data)
                self.entries.append(entry)
                return False
            with self._memory.waiting_for(
                len(data) + DECODED_BYTES * header.width * header.height, self._lane
            ):
                large = header.width * header.height > SMALL_PIXELS
                photograph, shown = self._decode(partial(self._decoded, data, header), large)
        except (ImageRefused, LabelMissing, LabelConflict) as error:
            self._reject(name, archive, error)
            return False
        height, width = photograph.shape
        image = NewImage(sha256, name, len(data), width, height)
        entry |= {"width": width, "height": height, "notice": dark_notice(photograph)}
        kept = staged.finish() if staged else self._stage(data)
        self.entries.append(entry)
        self._waiting.append(_Waiting(entry, kept, image, media_type_of(data), shown))
        if len(self._waiting) >= GROUP or sum(each.image.bytes for each in self._waiting) >= GROUP_BYTES:
            self.flush()
        return True

    def _decoded(self, data: bytes, header: Header) -> tuple[Photograph, bytes | None]:
        """The photograph, and its thumbnail where its bits are known."""
        photograph = decode_photograph(data, WHOLE, self._limits, header)
        return photograph, None if photograph.bits else thumbnail(photograph.pixels, STORED_SIDES[0])

    def _is_known(self, entry: Entry) -> bool:
        """Whether the set has the image; its size and its part are then noted."""
        known = self._shelf.find(entry["name"], entry["sha256"])
        if known is None:
            return False
        entry |= {"width": known.width, "height": known.height, "serial": known.serial}
        return True

    def _heal(self, entry: Entry, data: bytes) -> None:
        """A known image whose stored file is lost or damaged is kept anew."""
        blobs = self._store.blobs
        if not blobs.is_whole(entry["sha256"]):
            with self._stage(data) as staged:
                blobs.keep([staged], media_type_of(data))
            entry["notice"] = "its stored file was lost or damaged and is whole again"

    def _stage(self, data: bytes) -> Staged:
        staged = self._store.blobs.staging.begin(len(data))
        try:
            staged.write(data)
            return staged.finish()
        except BaseException:
            staged.__exit__(None, None, None)
            raise

    def _leave_out(self, found: LeftOut, archive: str | None) -> None:
        known = self.left_out.get((archive, found.name))
        self.left_out[archive, found.name] = (
            found if known is None else replace(known, files=known.files + found.files)
        )

    def _reject(self, name: str, archive: str | None, error: AppError) -> None:
        problem = problem_of(error).document()
        self.errors.append(error)
        self.entries.append({"name": name, "archive": archive, "status": "rejected", "problem": problem})


def folder_of(name: str) -> str:
    """The folder of a file, or itself where it has none: files that are left out are named together."""
    folder, slash, _ = name.rpartition("/")
    return folder + slash or name
