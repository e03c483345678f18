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
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from models.processor import features, model_name

log = logging.getLogger(__name__)
LIBRARIES = ("torch", "openvino", "torchvision", "timm")
FORM = 1  # of what is kept; raised where it, or what makes it, changes
MOST_BYTES = 2 << 30  # of networks, of which the longest unused make way
_NETWORK = "network"  # begins the names of what is large
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
        except OSError:
            return None
        with suppress(OSError):  # a cache that cannot be written is read all the same
            file.touch()
        content = kept[_DIGEST:]
        return content if hashlib.sha256(content).digest() == kept[:_DIGEST] else None

    def keep(self, name: str, content: bytes) -> None:
        """Keep it where the cache can be written; else the log says that it cannot."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._make_room(len(content))
            handle, partial = tempfile.mkstemp(dir=self._folder, suffix=".partial")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(hashlib.sha256(content).digest() + content)
                Path(partial).replace(self._file(name))
            finally:
                Path(partial).unlink(missing_ok=True)
        except OSError as error:
            log.info("nothing can be kept in %s: %s", self._folder, error.strerror)

    def _make_room(self, size: int) -> None:
        networks = [(each, each.stat()) for each in self._folder.glob(f"{_NETWORK}-*")]
        held = size + sum(found.st_size for _, found in networks)
        for each, found in sorted(networks, key=lambda of: of[1].st_mtime):
            if held <= MOST_BYTES:
                return
            each.unlink(missing_ok=True)
            held -= found.st_size

    def forget(self, name: str) -> None:
        """Have it found out again."""
        with suppress(OSError):
            self._file(name).unlink(missing_ok=True)

    def _file(self, name: str) -> Path:
        named = json.dumps([name, self._facts], sort_keys=True)
        kind = _NETWORK if name.startswith(_NETWORK) else "found"
        return self._folder / f"{kind}-{hashlib.sha256(named.encode()).hexdigest()[:32]}"


@functools.cache
def _machine() -> dict[str, str]:
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else ""
    found = {
        "form": str(FORM),
        "processor": model_name(),
        "features": " ".join(sorted(features())),
        "device": device,
    }
    return found | {name: _installed(name) for name in LIBRARIES}


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
