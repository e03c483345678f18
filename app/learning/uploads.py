"""Images into a set of a bank: streamed to disk, proven to be images, kept in groups; each file has its answer.

What was accepted before a request broke off stays, so sending the same files again goes on where it ended.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, NamedTuple, Protocol

from app.errors import AppError, UploadRefused
from app.learning.incoming import Shelf
from app.learning.serials import Entry, Serials
from app.learning.supervisor import Learning
from app.learning.upload_files import Upload
from app.store.images import Added, NewImage
from app.store.schema import Image
from app.store.store import Store

FEED = 1 << 20  # bytes gathered before a thread is asked to write them


class Feed(Protocol):
    """What a body's bytes are fed to as they arrive; it hands whole files to its upload."""

    def write(self, data: bytes) -> None: ...
    def end(self, data: bytes) -> None: ...


@dataclass(frozen=True)
class NominalSet:
    """The nominal set of a bank, as the shelf that an actor puts images on."""

    store: Store
    bank: str
    actor: str

    def aside(self, name: str) -> str | None:
        return None

    def find(self, name: str, sha256: str) -> Image | None:
        return self.store.images.find(self.bank, sha256)

    def add(self, images: Sequence[NewImage]) -> list[Added]:
        return self.store.images.add(self.bank, images, actor=self.actor)

    def say_serials(self, serials: Mapping[str, str]) -> None:
        self.store.images.say_serials(self.bank, serials, actor=self.actor)


class Received(NamedTuple):
    """What became of an upload: an entry per file, and what was left out because it is litter."""

    entries: list[Entry]
    left_out: list[dict[str, Any]]


async def receive(
    learning: Learning,
    bank: str,
    feed_of: Callable[[Upload], Feed],
    body: AsyncIterator[bytes],
    shelf: Shelf,
    serial: str | None = None,
) -> Received:
    """Take the files of a body, images and archives alike. serial: of the part that all of them show.

    Raises ``UploadRefused`` or the one reason where nothing was kept, ``NotFound``, ``MultipartInvalid``,
    ``TooManyFiles``, ``StorageFull``; ``FieldInvalid``, ``GroupsFileError`` or ``SerialConflict`` for what is said of
    parts, once the images are kept.
    """
    serials = Serials(serial)
    learning.life.refuse_draining()
    await learning.pools.background(lambda: learning.store.banks.get(bank))
    upload = Upload(learning.inspecting, shelf, serials)
    feed = feed_of(upload)
    try:
        pending = bytearray()
        async for chunk in body:
            pending += chunk
            if len(pending) >= FEED:
                await learning.pools.upload(partial(feed.write, bytes(pending)))
                pending.clear()
        await learning.pools.upload(partial(feed.end, bytes(pending)))
    finally:
        await learning.pools.upload(upload.close)
    left_out = [{"archive": archive, **asdict(found)} for (archive, _), found in upload.left_out.items()]
    return refuse_empty(Received(upload.entries, left_out), upload.errors)


def counted(received: Received) -> dict[str, Any]:
    """An upload as its answer has it: how many files of each status, each file, what was left out."""
    statuses = [entry["status"] for entry in received.entries]
    counts = {status: statuses.count(status) for status in ("accepted", "duplicate", "rejected")}
    return {**counts, "files": received.entries, "left_out": received.left_out}


def refuse_empty(received: Received, errors: list[AppError]) -> Received:
    """``received``, unless every file was rejected: then the one reason, or an ``UploadRefused`` with them all."""
    if any(entry["status"] != "rejected" for entry in received.entries):
        return received
    hidden = sum(found["files"] for found in received.left_out)
    error = errors[0] if len(errors) == 1 else _nothing_kept(len(errors), hidden)
    error.files, error.left_out = received.entries, received.left_out  # type: ignore[attr-defined]  # a problem's members
    raise error


class Single:
    """A body that is one file itself."""

    def __init__(self, upload: Upload, name: str | None) -> None:
        self._upload, self._name, self._incoming = upload, name, upload.open()

    def write(self, data: bytes) -> None:
        self._incoming.write(data)

    def end(self, data: bytes) -> None:
        self.write(data)
        self._upload.take(self._name, self._incoming)
        self._upload.finish()


def _nothing_kept(count: int, hidden: int) -> UploadRefused:
    beside = f", beside {hidden} that systems keep for themselves" if hidden else ""
    return UploadRefused(
        requirement="an upload must hold at least one image that can be read",
        received=(f"{count} files, all rejected" if count else "no file") + beside,
        remedy="Send images, or a zip or tar of them; 'files' says what is wrong with each.",
    )
