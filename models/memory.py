"""What a machine found out about a backbone, kept in the cache: the fastest runtime, and networks it compiled.

Kept under all that it depends on: processor, threads, versions, weights. What cannot be read is found out again, and
what cannot be written at every start.
"""

from __future__ import annotations

import functools
import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from models.processor import features, model_name

log = logging.getLogger(__name__)
LIBRARIES = ("torch", "openvino", "torchvision", "timm")
MOST = 24  # files, of which the longest unused makes way
_DIGEST = 32  # bytes before the content, against a file that is cut short


def cache_folder() -> Path:
    """NOMINAL_CACHE, else XDG_CACHE_HOME/nominal, else ~/.cache/nominal."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nominal"
    return Path(os.environ.get("NOMINAL_CACHE") or base)


class Memory:
    """Named contents in files of ``folder``, valid for the machine, versions and weights that ``facts`` name."""

    def __init__(self, folder: Path, facts: Mapping[str, str]) -> None:
        self._folder, self._facts = folder, dict(facts)

    @classmethod
    def of(cls, **facts: object) -> Memory:
        """Of this machine and what else ``facts`` say, such as the digest of weights and the threads."""
        named = {name: repr(value) for name, value in facts.items()}
        return cls(cache_folder() / "machine", named | _machine())

    def read(self, name: str) -> bytes | None:
        """The content, None where it was never kept or is not whole."""
        file = self._file(name)
        try:
            kept = file.read_bytes()
            file.touch()
        except OSError:
            return None
        content = kept[_DIGEST:]
        return content if hashlib.sha256(content).digest() == kept[:_DIGEST] else None

    def keep(self, name: str, content: bytes) -> None:
        """Keep it where the cache can be written; else the log says that it cannot."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            handle, partial = tempfile.mkstemp(dir=self._folder, suffix=".partial")
            with os.fdopen(handle, "wb") as file:
                file.write(hashlib.sha256(content).digest() + content)
            Path(partial).replace(self._file(name))
            for old in sorted(self._folder.iterdir(), key=lambda each: each.stat().st_mtime)[:-MOST]:
                old.unlink(missing_ok=True)
        except OSError as error:
            log.info("nothing can be kept in %s: %s", self._folder, error.strerror)

    def forget(self, name: str) -> None:
        """Have it found out again."""
        self._file(name).unlink(missing_ok=True)

    def _file(self, name: str) -> Path:
        named = json.dumps([name, self._facts], sort_keys=True)
        return self._folder / hashlib.sha256(named.encode()).hexdigest()[:32]


@functools.cache
def _machine() -> dict[str, str]:
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else ""
    found = {"processor": model_name(), "features": " ".join(sorted(features())), "device": device}
    return found | {name: _installed(name) for name in LIBRARIES}


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
