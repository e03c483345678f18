"""Where the bytes of blobs are stored: files named by their sha256, in a folder or, through fsspec, in a bucket.

``publish`` makes a staged file visible whole or not at all, and durably: rename and fsync of the folder
locally, one PUT whose size is checked remotely. Publishing what is there already is harmless, so it needs
no look first.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

import fsspec

from app.store.errors import BlobMissing, BlobsUnavailable, StoreError
from app.store.ids import SHA256
from app.store.staging import Staged, local_faults
from core.files import Replacement, sync_folder

MARKER = "nominal-store.txt"
MARKER_TEXT = b"Files of a Nominal store, which only its database describes. Do not delete this file.\n"
PREFIX = re.compile(r"[0-9a-f]{2}")
SCHEME = re.compile(r"([a-z][a-z0-9+.-]+)://")


class BlobFiles(Protocol):
    """Bytes by sha256. Every method raises ``BlobMissing``, ``StorageFull`` or ``BlobsUnavailable``."""

    place: str
    """Where they are, for people."""

    def publish(self, staged: Staged) -> None:
        """Make finished bytes readable under their sha256."""

    def open(self, sha256: str) -> BinaryIO:
        """The bytes, to read and to close."""

    def delete(self, sha256: str) -> None:
        """Forget the bytes; harmless where there are none."""

    def names(self, prefix: str) -> set[str]:
        """The digests of the blobs that begin with two hex digits."""

    def held(self) -> bool:
        """Whether a store kept something here: there is a marker, or a blob."""

    def note_held(self) -> None:
        """Leave the marker, durably."""


class LocalFiles:
    """Blobs as files in a folder, in 256 subfolders by the digest's first byte."""

    def __init__(self, root: Path) -> None:
        self.root, self.place = root, str(root)
        with local_faults(root):
            root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._durable: set[Path] = set()  # subfolders that outlast a loss of power

    def path(self, sha256: str) -> Path:
        return self.root / checked(sha256)[:2] / sha256

    def publish(self, staged: Staged) -> None:
        target = self.path(staged.sha256)
        with local_faults(target):
            if target.parent not in self._durable:
                target.parent.mkdir(exist_ok=True, mode=0o700)
                sync_folder(self.root)
                self._durable.add(target.parent)
            os.replace(staged.path, target)
            sync_folder(target.parent)

    def open(self, sha256: str) -> BinaryIO:
        try:
            return self.path(sha256).open("rb")
        except FileNotFoundError:
            raise missing(sha256) from None
        except OSError as error:
            raise unavailable(str(self.root), error) from error

    def delete(self, sha256: str) -> None:
        with local_faults(self.path(sha256)):
            self.path(sha256).unlink(missing_ok=True)

    def names(self, prefix: str) -> set[str]:
        folder = self.root / prefix
        with local_faults(folder / prefix):
            return (
                {name for name in os.listdir(folder) if SHA256.fullmatch(name)} if folder.exists() else set()
            )

    def held(self) -> bool:
        with local_faults(self.root / MARKER):
            return (self.root / MARKER).exists() or any(
                next(folder.iterdir(), None)
                for folder in self.root.iterdir()
                if PREFIX.fullmatch(folder.name)
            )

    def note_held(self) -> None:
        path = self.root / MARKER
        with local_faults(path):
            if not path.exists():
                with Replacement(path) as new:
                    new.file.write(MARKER_TEXT)
                    new.commit()


class RemoteFiles:
    """Blobs as objects under a prefix of any fsspec file system; ``options`` go to that file system."""

    def __init__(self, url: str, **options: Any) -> None:
        self.url = self.place = url
        with self._faults():
            self._system, self._root = fsspec.core.url_to_fs(url, use_listings_cache=False, **options)

    def publish(self, staged: Staged) -> None:
        with self._faults():
            self._system.put_file(str(staged.path), self._key(staged.sha256))
            size = self._system.info(self._key(staged.sha256))["size"]
        if size != staged.bytes:
            raise unavailable(self.url, OSError(f"{size} of {staged.bytes} bytes arrived"))

    def open(self, sha256: str) -> BinaryIO:
        with self._faults(sha256):
            return cast("BinaryIO", self._system.open(self._key(sha256), "rb"))

    def delete(self, sha256: str) -> None:
        with self._faults():
            if self._system.exists(self._key(sha256)):
                self._system.rm_file(self._key(sha256))

    def names(self, prefix: str) -> set[str]:
        folder = f"{self._root}/{prefix}"
        with self._faults():
            found = self._system.ls(folder, detail=False) if self._system.exists(folder) else []
            return {name for path in found if SHA256.fullmatch(name := path.rpartition("/")[2])}

    def held(self) -> bool:
        with self._faults():
            if not self._system.exists(self._root):
                return False
            if self._system.exists(f"{self._root}/{MARKER}"):
                return True
            found = [name.rstrip("/") for name in self._system.ls(self._root, detail=False)]
            folders = (name for name in found if PREFIX.fullmatch(name.rpartition("/")[2]))
            return any(self._system.ls(name, detail=False) for name in folders)

    def note_held(self) -> None:
        with self._faults():
            if not self._system.exists(f"{self._root}/{MARKER}"):
                self._system.pipe_file(f"{self._root}/{MARKER}", MARKER_TEXT)

    def _key(self, sha256: str) -> str:
        return f"{self._root}/{checked(sha256)[:2]}/{sha256}"

    @contextmanager
    def _faults(self, sha256: str = "") -> Iterator[None]:
        try:
            yield
        except StoreError:
            raise
        except FileNotFoundError as error:
            raise (missing(sha256) if sha256 else unavailable(self.url, error)) from error
        except Exception as error:  # each file system of fsspec raises its client's own
            raise unavailable(self.url, error) from error


def open_files(url: str | None, default: Path, **options: Any) -> BlobFiles:
    """The blobs at ``url``: a folder's path, or a URL of any scheme fsspec knows; ``default`` when None."""
    if url is None or not SCHEME.match(url):
        return LocalFiles(Path(url) if url else default)
    if url.startswith("file://"):
        return LocalFiles(Path(url.removeprefix("file://")))
    return RemoteFiles(url.rstrip("/"), **options)


def checked(sha256: str) -> str:
    """``sha256`` if it is one: nothing else ever becomes part of a path."""
    if SHA256.fullmatch(sha256):
        return sha256
    raise missing(sha256)


def missing(sha256: str) -> BlobMissing:
    return BlobMissing(
        requirement="the bytes of every blob must be in the blob store",
        received=f"none for {sha256[:64]!a}",
        remedy="'nominal store heal' takes it back from a backup, or send the file again.",
    )


def unavailable(where: str, error: Exception) -> BlobsUnavailable:
    return BlobsUnavailable(
        requirement=f"the blob store {where} must be reachable and writable",
        received=f"{type(error).__name__}: {error}"[:300],
        remedy="Check the server, the bucket and its credentials (NOMINAL_BLOB_*).",
    )
