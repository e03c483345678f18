"""What becomes of a file that was inspected or refused: its answer beside it, or itself in a folder of its decision.

Each step can be done again after a crash at any moment. Nothing is overwritten but what is the same, and a file that
was replaced a moment before it moved goes back. Every function raises ``OSError``.
"""

from __future__ import annotations

import errno
import filecmp
import os
import shutil
from pathlib import Path
from typing import Any

import orjson

from app.settings import Watched
from app.sources.share import Stamp, plain, stamp_of
from core.errors import Refusal
from core.files import Replacement, sync_folder, write_atomically

FAILED = "failed"


def settle(watched: Watched, name: str, stamp: Stamp, answer: dict[str, Any]) -> None:
    """Of an inspected file; ``answer`` is the one over HTTP."""
    into = _into(watched)
    if watched.after == "beside":
        _write(answer_path(watched, name), answer)
    elif watched.after == "move":
        target = _free(into / answer["decision"], watched.folder / name, answer["id"])
        _write(target.with_name(f"{target.name}.json"), answer)
        _move(watched.folder / name, stamp, target)


def fail(watched: Watched, name: str, stamp: Stamp, problem: dict[str, Any], error: Refusal) -> None:
    """Of a file that is not an image which can be inspected; ``problem`` is the one over HTTP."""
    into = _into(watched)
    if watched.after == "beside":
        _write(answer_path(watched, name), problem)
    elif watched.after == "move":
        target = _free(into / FAILED, watched.folder / name, f"{stamp.mtime_ns:x}")
        words = f"Required: {error.requirement}\nReceived: {error.received}\nRemedy: {error.remedy}\n"
        write_atomically(target.with_name(f"{target.name}.txt"), words.encode("utf-8", "backslashreplace"))
        _move(watched.folder / name, stamp, target)


def answer_path(watched: Watched, name: str) -> Path:
    """Where the answer to a file is written that stays."""
    return (watched.into or watched.folder) / f"{plain(name)}.json"


def _into(watched: Watched) -> Path:
    """It must be there: made here, it could be the place of a share that is not mounted."""
    into = watched.into or watched.folder
    into.stat()
    return into


def _write(path: Path, document: dict[str, Any]) -> None:
    write_atomically(path, orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def _free(folder: Path, path: Path, token: str) -> Path:
    """Where ``path`` goes in ``folder``: under its name, unless another file has that."""
    folder.mkdir(exist_ok=True)
    target = folder / plain(path.name)
    try:
        taken = target.exists() and not filecmp.cmp(path, target, shallow=False)
    except FileNotFoundError:  # the file is gone: what is there may be it
        taken = False
    return target.with_name(f"{target.stem}.{token}{target.suffix}") if taken else target


def _move(path: Path, stamp: Stamp, target: Path) -> None:
    """Nothing where the file is no longer there, or is another."""
    if stamp_of(path) != stamp:
        return
    try:
        os.rename(path, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _carry(path, stamp, target)
    else:
        if (moved := stamp_of(target)) is not None and moved[1:] != stamp[
            1:
        ]:  # a rename may change the inode on shares
            return _put_back(target, path)
        sync_folder(path.parent)
    sync_folder(target.parent)


def _carry(path: Path, stamp: Stamp, target: Path) -> None:
    """To another file system: the file is there whole before it is gone here."""
    with path.open("rb") as file, Replacement(target) as new:
        shutil.copyfileobj(file, new.file)
        new.commit()
    if stamp_of(path) == stamp and target.stat().st_size == stamp.size:
        path.unlink()
        sync_folder(path.parent)


def _put_back(target: Path, path: Path) -> None:
    """A file that took the place of the inspected one between the last look and the move."""
    try:
        os.link(target, path)
    except FileExistsError:
        os.rename(target, path.with_name(f"{path.stem}.again{path.suffix}"))
    else:
        target.unlink()
