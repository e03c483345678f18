"""Answers saved as files: whole, with the digest that the server told, or not at all."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NoReturn, Self

import httpx

from app.client.errors import UnexpectedAnswer
from core.files import Replacement

SHA256 = re.compile(r"sha-256=:([A-Za-z0-9+/=]+):")  # RFC 9530


class Saved:
    """A sink whose result is ``path``; the file appears there at the end."""

    def __init__(self, path: Path, headers: httpx.Headers) -> None:
        self._path, self._new = path, Replacement(path)
        told = SHA256.search(headers.get("repr-digest", ""))
        self._told = base64.b64decode(told[1]) if told else None
        self._digest = hashlib.sha256()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._new.__exit__(kind, error, trace)

    def feed(self, chunk: bytes) -> bool:
        """Never enough: the file is wanted to its end."""
        self._new.file.write(chunk)
        self._digest.update(chunk)
        return False

    def result(self) -> Path:
        """Raises UnexpectedAnswer for other bytes than the server meant."""
        if self._told is not None and self._digest.digest() != self._told:
            raise UnexpectedAnswer(
                requirement="a download must have the digest that the server told",
                received="other bytes",
                remedy="Try again; look for what stands between client and server.",
            )
        self._new.commit()
        return self._path


class Written:
    """A sink that passes an answer on to an open file, such as standard output; its result is the bytes written."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._bytes = file, 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """The file is the caller's."""

    def feed(self, chunk: bytes) -> bool:
        """Never enough."""
        self._bytes += self._file.write(chunk)
        return False

    def result(self) -> int:
        self._file.flush()
        return self._bytes


def never(response: httpx.Response) -> NoReturn:
    """The parser of an answer that a sink reads."""
    raise AssertionError("a sink reads this answer")
