"""Contenders in turns on the same images: build and score every test image, one image at a time, many at a time."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from app.imaging.datasets import MvtecDataset
from bench.datasets import spread
from bench.peers.contenders import Contender
from bench.peers.process import Process
from core.metrics.evaluation import auroc

WARM_UP = 5  # images before the clock counts


@dataclass(frozen=True)
class Images:
    """What every contender sees. timed: the part of the test images that latency is measured on."""

    name: str
    train: list[Path]
    test: list[Path]
    defective: list[bool]
    timed: list[Path]


@dataclass(frozen=True)
class Effort:
    """How often and with what. builds: each with a seed of its own; rounds: turns of every timing.

    batch: images at a time for throughput.
    """

    size: int
    threads: int
    builds: int
    rounds: int
    batch: int


@dataclass
class Result:
    """What one contender did; lists hold one entry a run. p50s, p95s: ms an image; rates: images a second.

    aurocs: of all test images, after each build.
    """

    images: int
    builds: list[dict[str, float]] = field(default_factory=list)
    p50s: list[float] = field(default_factory=list)
    p95s: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    aurocs: list[float] = field(default_factory=list)

    @property
    def build(self) -> float:
        return statistics.median(run["build"] for run in self.builds)

    @property
    def coreset(self) -> float:
        return statistics.median(run["coreset"] for run in self.builds)

    @property
    def peak_mb(self) -> float:
        """Of the first build: a later one may start from what the first left."""
        return self.builds[0]["peak_mb"]

    @property
    def p50(self) -> float:
        return statistics.median(self.p50s)

    @property
    def p95(self) -> float:
        return statistics.median(self.p95s)

    @property
    def rate(self) -> float:
        return statistics.median(self.rates)

    @property
    def auroc(self) -> float:
        """Of the builds, each with another seed."""
        return statistics.median(self.aurocs)

    @property
    def auroc_said(self) -> str:
        """The median, with the lowest and the highest where there are several."""
        between = f" ({min(self.aurocs):.3f} to {max(self.aurocs):.3f})"
        return f"{self.auroc:.3f}{between if len(self.aurocs) > 1 else ''}"


def read_images(dataset: Path, train: int | None, test: int | None, timed: int) -> Images:
    """Evenly spaced parts of a dataset in MVTec form; None for all."""
    found = MvtecDataset(dataset)
    tests = spread(found.test_images(), test)
    paths = [image.path for image in tests]
    nominal = spread(found.train_images(), train)
    return Images(dataset.name, nominal, paths, [image.defective for image in tests], spread(paths, timed))


def compare(contenders: Sequence[Contender], images: Images, effort: Effort, logs: Path) -> dict[str, Result]:
    """Every contender's result by its name. One works at a time; the turns change after each run."""
    results = {contender.name: Result(len(images.train)) for contender in contenders}
    with ExitStack() as stack:
        processes: list[tuple[Contender, Process]] = []
        for number, contender in enumerate(contenders):
            process = Process(contender.command(effort.size), effort.threads, logs / f"{number}.log")
            processes.append((contender, stack.enter_context(process)))

        def turns(what: str, rounds: int, work: Callable[[Process, Result], None]) -> None:
            for turn in range(rounds):
                for contender, process in processes:
                    print(f"{what} {turn + 1}: {contender.name} ...", file=sys.stderr, flush=True)
                    work(process, results[contender.name])

        turns("build", effort.builds, lambda p, r: _learn(p, r, images))
        turns("latency", effort.rounds, lambda p, r: _latency(p, r, images))
        turns("throughput", effort.rounds, lambda p, r: _throughput(p, r, images, effort.batch))
    return results


def _learn(process: Process, result: Result, images: Images) -> None:
    """A build with a seed of its own, and, outside the clock, what it makes of every test image."""
    result.builds.append(process.ask("build", images.train, seed=len(result.builds)))
    scores = process.ask("score", images.test)
    result.aurocs.append(auroc(np.asarray(scores, np.float32), np.asarray(images.defective)))


def _latency(process: Process, result: Result, images: Images) -> None:
    process.ask("latency", images.timed[:WARM_UP])
    seconds = process.ask("latency", images.timed)
    result.p50s.append(float(1e3 * np.percentile(seconds, 50)))
    result.p95s.append(float(1e3 * np.percentile(seconds, 95)))


def _throughput(process: Process, result: Result, images: Images, batch: int) -> None:
    process.ask("throughput", images.timed[:batch], batch=batch)
    whole = images.timed[: max(1, len(images.timed) // batch) * batch]
    result.rates.append(len(whole) / process.ask("throughput", whole, batch=batch))
