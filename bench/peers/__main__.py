"""How fast against the peers, at what accuracy? anomalib, the textbook pipeline and Nominal on the same images.

``make bench-peers`` sets up the peers' environments under bench/.venvs and runs everything: a set of 200 nominal
images for all, then the whole set for Nominal with a bank of 1 % and of 5 %. It writes a table of docs/performance.md.
Options make it shorter and leave the table alone. ``--toy`` compares Nominal's embedded backbone with the textbook
pipeline on a few small images, only in this environment, to prove that the script works.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from bench.accuracy import RESNET50
from bench.datasets import SHARED, write_elpv
from bench.peers.contenders import embedded, of_two_sizes, planned, textbook
from bench.peers.process import ROOT
from bench.peers.report import described
from bench.peers.targets import verdicts
from bench.peers.trial import Effort, Result, compare, read_images
from bench.tables import PERFORMANCE, replace_section

TRAIN, TIMED, SIZE, ROUNDS, BATCH, BUILDS = 200, 40, 256, 5, 16, 3


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=__doc__)
    parser.add_argument("--train", type=int, default=TRAIN, help="nominal images for all contenders")
    parser.add_argument("--test", type=int, help="test images; all without")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="turns of every timing")
    parser.add_argument("--weights", type=Path, default=RESNET50, help="safetensors of resnet50")
    parser.add_argument("--without-full", action="store_true", help="leave out the whole set")
    parser.add_argument("--toy", action="store_true", help="a few images once; the table stays as it is")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nominal-peers-") as folder:
        text = _toy(Path(folder)) if options.toy else _all(options, Path(folder))
    print(text)
    shortened = [options.train, options.test, options.rounds, options.without_full] != [
        TRAIN,
        None,
        ROUNDS,
        False,
    ]
    if not options.toy and not shortened:
        replace_section("peers", text, PERFORMANCE)


def _all(options: argparse.Namespace, logs: Path) -> str:
    if not options.weights.exists():
        raise SystemExit(
            f"the weights of resnet50 must lie at {options.weights}; 'nominal weights export resnet50 FILE' "
            "writes them, --weights names another place"
        )
    effort = Effort(SIZE, len(os.sched_getaffinity(0)), BUILDS, options.rounds, BATCH)
    images = read_images(_dataset(), options.train, options.test, TIMED)
    results = compare(list(planned(options.weights)), images, effort, logs)
    _tell(results)
    if not options.without_full:
        whole = read_images(_dataset(), None, options.test, TIMED)
        results |= compare(of_two_sizes(options.weights), whole, replace(effort, builds=1), logs)
    return described(results, images, effort, [verdict.line() for verdict in verdicts(results)])


def _toy(logs: Path) -> str:
    effort = Effort(64, 1, 1, 1, 4)
    images = read_images(write_elpv(ROOT / "build" / "datasets" / "elpv-mono"), 10, 12, 6)
    results = compare([textbook(None, Path(sys.executable)), embedded()], images, effort, logs)
    return described(results, images, effort, [])


def _dataset() -> Path:
    tiles = SHARED / "data" / "mtd"
    return tiles if tiles.is_dir() else write_elpv(ROOT / "build" / "datasets" / "elpv-mono")


def _tell(results: dict[str, Result]) -> None:
    for verdict in verdicts(results):
        print(verdict.line(), file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
