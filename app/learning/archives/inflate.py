"""A compressed file (xz, bzip2) read as its unpacked bytes, a bounded piece at a time, in bounded memory."""

from __future__ import annotations

import bz2
import lzma
from collections.abc import Callable
from typing import BinaryIO, Protocol

PIECE = 64 * 1024
XZ_MEMORY = 128 << 20  # bytes; xz -9 needs 65 MiB, a hostile header may ask for 4 GiB


class Decompressor(Protocol):
    """What ``bz2.BZ2Decompressor`` and ``lzma.LZMADecompressor`` have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class Inflate:
    """Reads one or several compressed streams one after another."""

    def __init__(self, source: BinaryIO, start: Callable[[], Decompressor]) -> None:
        self._source, self._start = source, start
        self._stream = start()
        self._pending = b""  # read from the source, not yet given to the stream

    def read(self, count: int) -> bytes:
        """1 to ``count`` bytes; none at the end. Raises ``EOFError`` if cut off, ``ValueError`` if broken."""
        data = b""
        while not data:
            if self._stream.eof and not self._next_stream():
                return b""
            data = self._decompress(count)
        return data

    def _decompress(self, count: int) -> bytes:
        packed, self._pending = self._pending, b""
        if self._stream.needs_input and not packed:
            packed = self._source.read(PIECE)
            if not packed:
                raise EOFError("compressed data that ends too early")
        try:
            return self._stream.decompress(packed, count)
        except (OSError, lzma.LZMAError) as error:  # bz2 says OSError for broken data
            raise ValueError(str(error)) from None

    def _next_stream(self) -> bool:
        self._pending = (self._stream.unused_data or self._source.read(PIECE)).lstrip(
            b"\0"
        )  # xz pads by zeros
        if self._pending:
            self._stream = self._start()
        return bool(self._pending)


def bunzip2() -> Decompressor:
    """A fresh bzip2 stream; bzip2 never takes more than 4 MiB."""
    return bz2.BZ2Decompressor()


def unxz() -> Decompressor:
    """A fresh xz stream, which refuses a dictionary beyond ``XZ_MEMORY``."""
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY)
