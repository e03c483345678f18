"""Fetch one published file, with an answer in seconds where there is no network."""

from __future__ import annotations

import queue
import tempfile
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError

from models.errors import WeightsNotFound, WeightsNotWritten

Progress = Callable[[int, int], None]  # bytes done, bytes in all (0 where the server does not say)

ANSWER_WITHIN = 5.0  # seconds for name lookup, every address tried, TLS and the response's head together
STALLED_AFTER = 20.0  # seconds without a byte
_BLOCK = 1 << 20


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
