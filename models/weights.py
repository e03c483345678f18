"""Where a backbone's weights come from: a file, the cache, a package, the publisher's URL, or an error.

A download answers in seconds where there is no network.
"""

from __future__ import annotations

import queue
import tempfile
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Literal
from urllib.error import HTTPError

from models.checkpoint import (
    Weights,
    read_weights,
    recorded_digest,
    verified_weights,
    verify_published,
    write_trimmed,
)
from models.errors import WeightsNotFound, WeightsNotWritten, WeightsRefused
from models.memory import cache_folder
from models.spec import SPECS, BackboneSpec, spec_of

Source = Literal["file", "cache", "package", "download"]
Progress = Callable[[int, int], None]  # bytes done, bytes in all (0 where the server does not say)

ANSWER_WITHIN = 5.0  # seconds for name lookup, every address tried, TLS and the response's head together
STALLED_AFTER = 20.0  # seconds without a byte
_BLOCK = 1 << 20


@dataclass(frozen=True, eq=False)
class Found:
    """Verified weights, the kind of place they came from and the file they are in."""

    weights: Weights
    source: Source
    path: Path


@dataclass(frozen=True)
class WeightsStatus:
    """One backbone's line in a listing. ``status``: ready, refused (``detail`` says why), or absent."""

    name: str
    status: Literal["ready", "refused", "absent"]
    source: Source | None
    path: Path | None
    size: int | None  # bytes of the file
    digest: str | None
    licence: str
    detail: str


def cache_file(spec: BackboneSpec) -> Path:
    """Where the cache keeps its weights."""
    return cache_folder() / "weights" / f"{spec.name}.safetensors"


def find_weights(
    spec: BackboneSpec,
    file: Path | None = None,
    allow_fetch: bool = True,
    accept_digest: str | None = None,
    progress: Progress | None = None,
) -> Found:
    """Verified weights from the first place that has them; a place that has a bad file ends the search.

    Raises WeightsNotFound, WeightsRefused, WeightsNotWritten.
    """
    if file is not None:
        return Found(verified_weights(file, spec, accept_digest), "file", file)
    found = _at_hand(spec)
    if found is not None:
        return found
    if allow_fetch and spec.url is not None:
        return fetch(spec.name, progress)
    raise WeightsNotFound(
        requirement=f"Weights of {spec.name} must be given, cached or allowed to be downloaded",
        received=f"no file {cache_file(spec)}, and downloading is disabled",
        remedy=_remedy(spec),
    )


def list_weights() -> list[WeightsStatus]:
    """Every backbone and whether its weights are at hand, read and verified; never tries the network."""
    return [_status(spec) for spec in SPECS.values()]


def fetch(name: str, progress: Progress | None = None) -> Found:
    """Download the published file, verify it and put what is needed of it into the cache.

    Raises UnknownBackbone, WeightsNotFound, WeightsRefused, WeightsNotWritten.
    """
    spec = spec_of(name)
    if spec.url is None:
        raise WeightsNotFound(
            requirement="Weights to fetch have a publisher's URL",
            received=f"{name}, which has none",
            remedy=f"{name} comes inside a package that Nominal installs."
            if spec.packaged
            else _remedy(spec),
        )
    target = cache_file(spec)
    with download(spec.url, target.parent, _remedy(spec), progress) as file:
        verify_published(file, spec)
        weights = read_weights(file, spec)
        write_trimmed(weights, spec, target)
    return Found(weights, "download", target)


def import_file(name: str, path: Path, accept_digest: str | None = None) -> Found:
    """Verify a weights file and put what is needed of it into the cache. Raises as read_weights does."""
    spec = spec_of(name)
    weights = read_weights(path, spec, accept_digest)
    write_trimmed(weights, spec, cache_file(spec))
    return Found(weights, "cache", cache_file(spec))


def export(name: str, out: Path) -> Found:
    """Write the weights at hand as a trimmed safetensors file, for a machine without a network.

    The same weights give the same bytes. Raises WeightsNotFound, WeightsRefused, WeightsNotWritten.
    """
    spec = spec_of(name)
    found = find_weights(spec, allow_fetch=False)
    write_trimmed(found.weights, spec, out)
    return found


def _at_hand(spec: BackboneSpec) -> Found | None:
    cached = cache_file(spec)
    if cached.exists():
        # what import_file accepted stays accepted: the cache vouches by the digest it recorded
        return Found(verified_weights(cached, spec, recorded_digest(cached)), "cache", cached)
    if spec.packaged is not None:
        return Found(verified_weights(spec.packaged(), spec), "package", spec.packaged())
    return None


def _status(spec: BackboneSpec) -> WeightsStatus:
    try:
        found = _at_hand(spec)
    except (WeightsRefused, WeightsNotFound) as error:
        return WeightsStatus(spec.name, "refused", None, None, None, None, spec.licence, str(error))
    if found is None:
        return WeightsStatus(spec.name, "absent", None, None, None, None, spec.licence, _remedy(spec))
    size, digest = found.path.stat().st_size, found.weights.digest
    return WeightsStatus(spec.name, "ready", found.source, found.path, size, digest, spec.licence, "")


def _remedy(spec: BackboneSpec) -> str:
    carry = f"here run `nominal weights import {spec.name} FILE` with a file from {spec.url or 'elsewhere'}."
    return (
        f"Run `nominal weights fetch {spec.name}` where there is a network, or {carry}" if spec.url else carry
    )


@contextmanager
def download(url: str, folder: Path, remedy: str, progress: Progress | None = None) -> Iterator[Path]:
    """The whole file behind the URL, in a temporary place within ``folder`` until the block ends.

    A proxy named by the environment is used. Raises WeightsNotFound with the remedy, WeightsNotWritten.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as place:
            file = Path(place) / "download"
            with file.open("wb") as out:
                for block in _blocks(url, remedy, progress):
                    out.write(block)
            yield file
    except OSError as error:
        raise WeightsNotWritten(
            requirement=f"The download of {url} needs room in {folder}",
            received=str(error),
            remedy="Free space there, or set NOMINAL_CACHE to a folder that can be written.",
        ) from error


def _blocks(url: str, remedy: str, progress: Progress | None) -> Iterator[bytes]:
    try:
        with _open(url) as response:
            total, done = response.length or 0, 0
            while block := response.read(_BLOCK):
                done += len(block)
                if progress is not None:
                    progress(done, total)
                yield block
            if done < total:
                raise ConnectionError(f"the connection ended after {done} of {total} bytes")
    except (OSError, HTTPException, ValueError) as error:
        raise WeightsNotFound(
            requirement=f"Weights that are not on this machine are downloaded from {url}",
            received=f"{type(error).__name__}: {error}",
            remedy=remedy,
        ) from error


def _open(url: str) -> HTTPResponse:
    """The response, or an error within ANSWER_WITHIN.

    A socket's own timeout bounds neither the name lookup nor the tries of one address after another.
    """
    answer: queue.SimpleQueue[HTTPResponse | Exception] = queue.SimpleQueue()
    threading.Thread(target=_ask, args=(url, answer.put), daemon=True).start()
    try:
        result = answer.get(timeout=ANSWER_WITHIN)
    except queue.Empty:
        raise TimeoutError(f"no answer within {ANSWER_WITHIN:.0f} s") from None
    if isinstance(result, HTTPError):
        result.close()
    if isinstance(result, Exception):
        raise result
    return result


def _ask(url: str, answer: Callable[[HTTPResponse | Exception], None]) -> None:
    try:
        answer(urllib.request.urlopen(url, timeout=STALLED_AFTER))
    except Exception as error:  # raised again by the asker
        answer(error)
