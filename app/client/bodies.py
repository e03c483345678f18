"""Request bodies: JSON, bytes, a form of files, one file. Files are opened for an attempt and streamed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import httpx

CHUNK = 1 << 18

Arguments = dict[str, Any]
"""Of ``httpx.Client.build_request``."""


@dataclass(frozen=True)
class Json:
    """A JSON value."""

    value: object

    def arguments(self, stack: ExitStack) -> Arguments:
        return {"json": self.value}


@dataclass(frozen=True)
class Raw:
    """Bytes in memory."""

    data: bytes
    media_type: str = "application/octet-stream"

    def arguments(self, stack: ExitStack) -> Arguments:
        return {"content": self.data, "headers": {"Content-Type": self.media_type}}


@dataclass(frozen=True)
class File:
    """A file to send: the name the server is told, its place, and its bytes when it was listed."""

    name: str
    path: Path
    size: int


@dataclass(frozen=True)
class Form:
    """multipart/form-data. ``sent`` hears how many bytes of the files have been read."""

    files: Sequence[File]
    sent: Callable[[int], None] = lambda count: None

    def arguments(self, stack: ExitStack) -> Arguments:
        opened = [(file.name, stack.enter_context(file.path.open("rb"))) for file in self.files]
        count = _Count(self.sent)
        return {"files": [("file", (_sendable(name), _Heard(file, count))) for name, file in opened]}


@dataclass(frozen=True)
class FormOfBytes:
    """multipart/form-data of images in memory, by name."""

    files: Sequence[tuple[str, bytes]]

    def arguments(self, stack: ExitStack) -> Arguments:
        return {"files": [("image", (_sendable(name), data)) for name, data in self.files]}


@dataclass(frozen=True)
class OneFile:
    """A file as the body itself."""

    path: Path
    media_type: str

    def arguments(self, stack: ExitStack) -> Arguments:
        length = str(self.path.stat().st_size)
        return {"headers": {"Content-Type": self.media_type, "Content-Length": length}}

    def stream(self, stack: ExitStack) -> FileStream:
        """The bytes, for either client."""
        return FileStream(stack.enter_context(self.path.open("rb")))


Body = Json | Raw | Form | FormOfBytes | OneFile


class FileStream(httpx.SyncByteStream, httpx.AsyncByteStream):
    """An open file, read piece by piece; a local disk is quick enough to be read on an event loop."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def __iter__(self) -> Iterator[bytes]:
        return iter(lambda: self._file.read(CHUNK), b"")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self:
            yield chunk


class _Count:
    """Bytes read of all files of a form."""

    def __init__(self, sent: Callable[[int], None]) -> None:
        self._sent, self.bytes = sent, 0

    def add(self, count: int) -> None:
        self.bytes += count
        self._sent(self.bytes)


class _Heard:
    """A file whose reading is counted; httpx asks for these three methods."""

    def __init__(self, file: IO[bytes], count: _Count) -> None:
        self._file, self._count = file, count

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._count.add(len(data))
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


def _sendable(name: str) -> str:
    """A file name as UTF-8 can say it; the bytes of another encoding become question marks."""
    return name.encode("utf-8", "replace").decode("utf-8")
