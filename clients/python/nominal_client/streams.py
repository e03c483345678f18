"""What a call sends and what it saves. Files are opened for one attempt and streamed, never whole in memory.

A ``Body`` gives the arguments of ``httpx.Client.build_request``. A ``Sink`` is a generator that receives an answer
chunk by chunk, then an empty chunk at its end; it returns the result, before the end where it has enough.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import re
import secrets
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, cast

import httpx

from nominal_client.errors import UnexpectedAnswer

T = TypeVar("T")
CHUNK = 1 << 18
SHA256 = re.compile(r"sha-256=:([A-Za-z0-9+/=]+):")  # RFC 9530

Body = Callable[[ExitStack], dict[str, Any]]
Sink = Generator[None, bytes, T]


@dataclass(frozen=True)
class File:
    """A file to send: its name on the server, its path or its bytes, and its size when it was listed.

    serial: serial number of the part that it shows, if it is known.
    """

    name: str
    content: Path | bytes
    size: int
    serial: str | None = None


def as_json(value: object) -> Body:
    """A JSON value."""
    return lambda stack: {"json": value}


def raw(data: bytes) -> Body:
    """Bytes in memory."""
    return lambda stack: {"content": data, "headers": {"Content-Type": "application/octet-stream"}}


def form_of_bytes(files: Sequence[tuple[str, bytes]]) -> Body:
    """multipart/form-data of images in memory, by name."""
    return lambda stack: {"files": [("image", (_sendable(name), data)) for name, data in files]}


def form(files: Sequence[File], sent: Callable[[int], None]) -> Body:
    """multipart/form-data, serial numbers first; ``sent`` hears how many bytes of the files have been read."""

    def arguments(stack: ExitStack) -> dict[str, Any]:
        total = 0

        def add(count: int) -> None:
            nonlocal total
            total += count
            sent(total)

        opened = [(file.name, stack.enter_context(_counted(file.content, add))) for file in files]
        serials = [("serial", (None, file.serial)) for file in files if file.serial is not None]
        return {"files": [*serials, *(("file", (_sendable(name), file)) for name, file in opened)]}

    return arguments


def one_file(path: str | Path, media_type: str) -> Body:
    """A file as the body itself."""

    def arguments(stack: ExitStack) -> dict[str, Any]:
        file = stack.enter_context(io.FileIO(path))
        length = str(os.fstat(file.fileno()).st_size)
        return {
            "headers": {"Content-Type": media_type, "Content-Length": length},
            "stream": _FileStream(file),
        }

    return arguments


class _FileStream(httpx.SyncByteStream, httpx.AsyncByteStream):
    """An open file, read chunk by chunk; a local disk is quick enough to be read on an event loop."""

    def __init__(self, file: io.FileIO) -> None:
        self._file = file

    def __iter__(self) -> Iterator[bytes]:
        return iter(lambda: self._file.read(CHUNK), b"")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self:
            yield chunk


def _counted(content: Path | bytes, add: Callable[[int], None]) -> BinaryIO:
    """A file, or bytes like one, that reports how much of it was read."""
    file: _CountedFile | _CountedBytes = (
        _CountedFile(content) if isinstance(content, Path) else _CountedBytes(content)
    )
    file.add = add
    return cast(BinaryIO, file)


class _CountedFile(io.FileIO):
    add: Callable[[int], None]

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size) or b""
        self.add(len(data))
        return data


class _CountedBytes(io.BytesIO):
    add: Callable[[int], None]

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.add(len(data))
        return data


def _sendable(name: str) -> str:
    """A file name in UTF-8; the bytes of another encoding become question marks."""
    return name.encode("utf-8", "replace").decode("utf-8")


def saved(path: str | Path, headers: httpx.Headers) -> Sink[Path]:
    """Saves an answer at ``path``: whole, with the digest that the server reported, or not at all.

    Raises UnexpectedAnswer for other bytes than the server meant.
    """
    reported, digest = SHA256.search(headers.get("repr-digest", "")), hashlib.sha256()
    with _whole_or_none(Path(path)) as file:
        while chunk := (yield):
            file.write(chunk)
            digest.update(chunk)
        if reported and digest.digest() != base64.b64decode(reported[1]):
            raise UnexpectedAnswer(
                requirement="a download must have the digest that the server reported",
                received="other bytes",
                remedy="Try again; check for a proxy that changes answers.",
            )
    return Path(path)


@contextmanager
def _whole_or_none(path: Path) -> Iterator[BinaryIO]:
    """A new file beside ``path``, which takes its place on disk at the end; an error deletes it."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with beside.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def written(file: BinaryIO) -> Sink[int]:
    """Passes an answer on to an open file, such as standard output; returns the number of bytes."""
    count = 0
    while chunk := (yield):
        count += file.write(chunk)
    file.flush()
    return count
