"""Images into a bank's nominal set: streamed to disk, proven to be images, kept in groups; each file has its answer.

What was accepted before a request broke off stays, so sending the same files again goes on where it ended.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

from app.errors import AppError, UploadRefused
from app.http.multipart import MultipartReader, Part
from app.learning.upload_files import Entry, Incoming, Upload
from app.lifecycle.service import Service

FEED = 1 << 20  # bytes gathered before a thread is asked to write them


async def receive(
    service: Service, bank: str, content_type: str, name: str | None, body: AsyncIterator[bytes], actor: str
) -> list[Entry]:
    """Take a request's files, images and archives alike: a form of many, or one that is the body itself.

    Raises ``UploadRefused`` or the one reason where nothing was kept, ``NotFound``, ``MultipartInvalid``,
    ``TooManyFiles``, ``StorageFull``.
    """
    service.refuse_draining()
    await service.in_background(lambda: service.store.banks.get(bank))
    upload = Upload(service.store, service.settings, bank, actor)
    form = content_type.partition(";")[0].strip().lower() == "multipart/form-data"
    feed = _Form(upload, content_type) if form else _Single(upload, name)
    try:
        pending = bytearray()
        async for chunk in body:
            pending += chunk
            if len(pending) >= FEED:
                await service.in_upload(partial(feed.write, bytes(pending)))
                pending.clear()
        await service.in_upload(partial(feed.end, bytes(pending)))
    finally:
        await service.in_upload(upload.close)
    return refuse_empty(upload.entries, upload.errors)


def refuse_empty(entries: list[Entry], errors: list[AppError]) -> list[Entry]:
    """``entries``, unless every one was rejected: then the one reason, or an ``UploadRefused`` with them all."""
    if any(entry["status"] != "rejected" for entry in entries):
        return entries
    error = errors[0] if len(errors) == 1 else _nothing_kept(len(errors))
    error.files = entries  # type: ignore[attr-defined]  # a member of the problem
    raise error


class _Form:
    """A multipart body: every part with a filename is a file, fields are passed over."""

    def __init__(self, upload: Upload, content_type: str) -> None:
        self._upload = upload
        self._reader = MultipartReader(content_type, upload.open, self._take, upload.most_files)

    def write(self, data: bytes) -> None:
        self._reader.feed(data)

    def end(self, data: bytes) -> None:
        self.write(data)
        self._reader.close()
        self._upload.flush()

    def _take(self, part: Part[Incoming]) -> None:
        if part.sink is not None:
            self._upload.take(part.filename, part.sink)


class _Single:
    """A body that is one file itself."""

    def __init__(self, upload: Upload, name: str | None) -> None:
        self._upload, self._name, self._incoming = upload, name, upload.open()

    def write(self, data: bytes) -> None:
        self._incoming.write(data)

    def end(self, data: bytes) -> None:
        self.write(data)
        self._upload.take(self._name, self._incoming)
        self._upload.flush()


def _nothing_kept(count: int) -> UploadRefused:
    return UploadRefused(
        requirement="an upload must hold at least one image that can be read",
        received=f"{count} files, all rejected" if count else "no file",
        remedy="Send images, or a zip or tar of them; 'files' says what is wrong with each.",
    )
