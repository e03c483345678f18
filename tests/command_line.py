"""The command line in this process, and the tiny backbone as one of the table with its weights in a file."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fakes import tiny_spec, tiny_weights
from safetensors.torch import save_file

from app.cli import main
from models.spec import SPECS


@dataclass(frozen=True)
class Ended:
    """A command that ended: its status and what it printed."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one object on standard output."""
        assert self.status == 0, self.err
        found: dict[str, Any] = json.loads(self.out)
        return found


@pytest.fixture
def nominal(monkeypatch, capsys, tmp_path_factory) -> Callable[..., Ended]:
    """``nominal("build", folder, "--out", bank)`` runs the command as the console script does."""
    monkeypatch.setenv("NOMINAL_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["nominal", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        return Ended(int(ended.value.code or 0), *capsys.readouterr())

    return run


@pytest.fixture
def tiny(monkeypatch, tmp_path_factory) -> tuple[str, ...]:
    """Options that choose the tiny backbone."""
    monkeypatch.setitem(SPECS, "tiny", tiny_spec())
    file: Path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_file(tiny_weights().tensors, file)
    return ("--backbone", "tiny", "--weights", str(file), "--runtime", "torch")
