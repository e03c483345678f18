"""Who is compared: one row of the table each."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from bench.peers.process import ROOT
from models.openvino_runtime import OpenVinoRuntime
from models.runtime import PRECISIONS

VENVS = ROOT / "bench" / ".venvs"
ANOMALIB, TEXTBOOK, EMBEDDED = "anomalib 2.7.0", "textbook, FAISS flat", "Nominal efficientnet-lite2"


@dataclass(frozen=True)
class Contender:
    """How its process is started."""

    name: str
    python: Path
    module: str
    weights: Path | None
    options: tuple[str, ...] = ()
    ratio: float = 0.01

    def command(self, size: int) -> list[str]:
        """Without the threads."""
        words = [str(self.python), "-m", self.module, "--size", str(size), "--ratio", str(self.ratio)]
        return words + (["--weights", str(self.weights)] if self.weights else []) + list(self.options)


def nominal(precision: str, weights: Path) -> Contender:
    """Nominal with the reference backbone."""
    name = f"Nominal resnet50 {precision}"
    options = ("--precision", precision)
    return Contender(name, Path(sys.executable), "bench.peers.nominal", weights, options)


def embedded() -> Contender:
    """Nominal with the backbone that needs no file."""
    options = ("--backbone", "efficientnet-lite2")
    return Contender(EMBEDDED, Path(sys.executable), "bench.peers.nominal", None, options)


def textbook(weights: Path | None, python: Path) -> Contender:
    return Contender(TEXTBOOK, python, "bench.peers.textbook", weights)


def planned(weights: Path) -> Iterator[Contender]:
    """Peers in their environments, then Nominal in every precision that this processor computes natively."""
    yield Contender(ANOMALIB, _python("anomalib"), "bench.peers.anomalib", weights)
    yield textbook(weights, _python("textbook"))
    for precision in precisions():
        yield nominal(precision, weights)
    yield embedded()


def of_two_sizes(weights: Path) -> list[Contender]:
    """The same engine with banks of 1 % and 5 %: what does quality cost?"""
    small = nominal("float32", weights)
    return [replace(small, name=f"{small.name}, {ratio:.0%}", ratio=ratio) for ratio in (0.01, 0.05)]


def precisions() -> list[str]:
    """Those of the backbone's runtimes that OpenVINO has here."""
    return [precision for precision in PRECISIONS if OpenVinoRuntime.missing(precision) is None]


def _python(peer: str) -> Path:
    python = VENVS / peer / "bin" / "python"
    if not python.exists():
        raise SystemExit(f"the environment of {peer} must exist; 'make bench-peers' makes it")
    return python
