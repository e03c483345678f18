"""The process of one contender: reads a task a line, JSON, from its input and answers each with one line.

It runs inside the peers' own environments too, so it needs nothing beyond the standard library.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any, Protocol


class Contender(Protocol):
    """A pipeline that learns from good images and scores others."""

    def build(self, images: list[Path], seed: int) -> dict[str, float]:
        """Learn these alone, as if for the first time; ``coreset`` (seconds) and ``vectors`` kept.

        seed: of the coreset's projection and first pick.
        """
        ...

    def score(self, files: list[bytes]) -> list[float]:
        """Scores of encoded images, larger is more anomalous; a map of each is computed on the way."""
        ...


def words(description: str | None) -> argparse.ArgumentParser:
    """The options that every contender knows."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--weights", type=Path, help="safetensors of the backbone; seeded noise without")
    parser.add_argument("--size", type=int, default=256, help="side of the input, pixels")
    parser.add_argument("--ratio", type=float, default=0.01, help="share of patches kept")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    return parser


def serve(contender: Contender) -> None:
    """Do each task of the input and answer on the output; what libraries print goes to the error stream."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        task = json.loads(line)
        print(json.dumps(_done(contender, task)), file=answers, flush=True)


def _done(contender: Contender, task: dict[str, Any]) -> Any:
    images = [Path(name) for name in task["images"]]
    match task["do"]:
        case "build":
            started = time.perf_counter()
            found = contender.build(images, task["seed"])
            seconds = time.perf_counter() - started
            return found | {"build": seconds, "peak_mb": peak_mb()}
        case "latency":
            return [_timed(contender, [image.read_bytes()])[0] for image in images]
        case "throughput":
            files = [image.read_bytes() for image in images]
            size = task["batch"]
            batches = [files[i : i + size] for i in range(0, len(files), size)]
            return sum(_timed(contender, batch)[0] for batch in batches)
        case "score":
            return [_timed(contender, [image.read_bytes()])[1][0] for image in images]
    raise ValueError(f"a task is build, latency, throughput or score, not {task['do']!r}")


def _timed(contender: Contender, files: list[bytes]) -> tuple[float, list[float]]:
    started = time.perf_counter()
    scores = contender.score(files)
    return time.perf_counter() - started, scores


def peak_mb() -> float:
    """The most memory this program held at once, in MB: Linux's high-water mark, which starts anew at exec."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise OSError("the bench reads peak memory from /proc/self/status, which has no VmHWM")
