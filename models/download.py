"""Fetch one published file over HTTPS, with an answer in seconds where there is no network."""

from __future__ import annotations

import queue
import tempfile
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from pathlib import Path

from models.errors import WeightsNotFound, WeightsNotWritten

ANSWER_WITHIN = 5.0  # seconds for name lookup, every address tried, TLS and the response's head together
STALLED_AFTER = 20.0  # seconds without a byte
_BLOCK = 1 << 20


@contextmanager
def download(
    url: str, folder: Path, remedy: str, progress: Callable[[int, int], None] | None = None
) -> Iterator[Path]:
    """The file behind the URL, whole, for the length of the block, in a temporary place within ``folder``.

    ``progress`` gets the bytes done and the bytes in all (0 where the server does not say). Raises
    WeightsNotFound with the remedy, WeightsNotWritten.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        place = tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-")
    except OSError as error:
        raise WeightsNotWritten(
            requirement=f"The download of {url} needs a place in {folder}",
            received=str(error),
            remedy="Set NOMINAL_CACHE to a folder that can be written.",
        ) from error
    with place:
        file = Path(place.name) / "download"
        try:
            with _open(url) as response, file.open("wb") as out:
                _copy(response, out.write, progress)
        except (OSError, HTTPException) as error:
            raise WeightsNotFound(
                requirement=f"Weights not at hand are fetched from {url}",
                received=f"{type(error).__name__}: {error}",
                remedy=remedy,
            ) from error
        yield file


def _copy(
    response: HTTPResponse, write: Callable[[bytes], int], progress: Callable[[int, int], None] | None
) -> None:
    total = int(response.headers.get("Content-Length") or 0)
    done = 0
    while block := response.read(_BLOCK):
        done += write(block)
        if progress is not None:
            progress(done, total)
    if total and done != total:
        raise OSError(f"the connection ended after {done} of {total} bytes")


def _open(url: str) -> HTTPResponse:
    """The response, or an error within ANSWER_WITHIN.

    A socket's own timeout bounds neither the name lookup nor the tries of one address after another.
    """
    answer: queue.Queue[HTTPResponse | Exception] = queue.Queue(1)
    given_up = threading.Event()

    def ask() -> None:
        try:
            response = urllib.request.urlopen(url, timeout=STALLED_AFTER)
        except Exception as error:
            answer.put(error)
            return
        answer.put(response)
        if given_up.is_set():
            response.close()

    threading.Thread(target=ask, daemon=True).start()
    try:
        result = answer.get(timeout=ANSWER_WITHIN)
    except queue.Empty:
        given_up.set()
        raise TimeoutError(f"no answer within {ANSWER_WITHIN:.0f} s") from None
    if isinstance(result, Exception):
        raise result
    return result
