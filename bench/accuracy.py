"""How accurate, at what cost? Runs ``nominal eval`` on real image sets and keeps docs/accuracy.md's table.

``python -m bench.accuracy`` takes the sets that are at hand: the solar cells of the PyPI package elpv-dataset
always, others from the folder of shared images where it is beside the checkout. Each is cut three times, by seeds
that are stated, so that all photographs of a part are taught or none is; a cell gives the mean of the three and, where
they differ, the lowest and the highest. ``--toy`` evaluates a few images once, to prove that the script works, and
leaves the table alone.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Any

from bench.datasets import SHARED, write_apart, write_elpv
from bench.tables import ACCURACY, machine, replace_section, table
from models.backbone import Backbone, load_backbone

ROOT = Path(__file__).resolve().parents[1]
RESNET50 = SHARED / "weights" / "resnet50-imagenet1k_v1-thru-layer3.safetensors"
BACKBONES = ("resnet50", "efficientnet-lite2")
COMPONENTS = 256  # of resnet50's 1,536 dimensions


SEEDS = (0, 1, 2)
TAUGHT = {"mtd": 0.8}  # share of the parts that a bank learns
OTHERWISE = 0.6


@dataclass(frozen=True)
class Run:
    """One setting on one set, which is evaluated in each of its splits."""

    name: str
    splits: tuple[Path, ...]
    backbone: str
    ratio: float = 0.01
    size: int = 256
    reweight: bool = False
    precision: str = "float32"
    pca: int | None = None
    metric: str = "euclidean"
    score: str = "patch"
    augment: str = ""

    def commands(self) -> list[list[str]]:
        """What evaluates each split."""
        words = [f"--backbone={self.backbone}", f"--size={self.size}", f"--coreset-ratio={self.ratio}"]
        words += [f"--precision={self.precision}", *(["--reweight"] if self.reweight else [])]
        words += [] if self.pca is None else [f"--pca={self.pca}"]
        words += [f"--metric={self.metric}", f"--score={self.score}", f"--augment={self.augment}"]
        if self.backbone == "resnet50" and RESNET50.exists():
            words += ["--weights", str(RESNET50)]
        ours = [sys.executable, "-m", "app.cli", "eval", "--json", "--offline", *words]
        return [[*ours, str(split), "--groups", str(split / "parts.csv")] for split in self.splits]

    def __str__(self) -> str:
        """What differs from the defaults."""
        named = {
            self.precision: self.precision != "float32",
            f"PCA {self.pca}": self.pca is not None,
            self.metric: self.metric != "euclidean",
            f"coreset {self.ratio:.0%}": self.ratio != 0.01,
            "Eq. 7": self.reweight,
            "score map": self.score == "map",
            self.augment.replace(",", " "): bool(self.augment),
        }
        return ", ".join(name for name, differs in named.items() if differs) or "default"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--toy", action="store_true", help="a few images once; the table stays as it is")
    parser.add_argument(
        "--only",
        default="",
        help="run only rows whose set, backbone and setting contain this; the table stays as it is",
    )
    parser.add_argument("--precision", help="run each only in this precision; the table stays as it is")
    arguments = parser.parse_args()
    work = ROOT / "build" / "datasets"
    elpv = write_elpv(work / "elpv-mono")
    if arguments.toy:
        few = _few(elpv, work / "elpv-toy")
        toy = Run("elpv-toy", _splits(few, work, SEEDS[:1]), "efficientnet-lite2", size=64)
        runs = [toy, replace(toy, pca=16, score="map", augment="flips")]
    else:
        runs = [run for run in planned(elpv, work) if arguments.only in f"{run.name} {run.backbone} {run}"]
    if arguments.precision:
        runs = [replace(run, precision=arguments.precision) for run in runs if run.precision == "float32"]
    rows = []
    for run in runs:
        rows.append(_row(run, [_evaluated(command) for command in run.commands()]))
        print(" | ".join(rows[-1]), flush=True)
    text = f"{table(HEAD, rows)}\n\nMachine: {machine()}. Command: `make bench-accuracy`."
    print(text)
    if not (arguments.toy or arguments.only or arguments.precision):
        replace_section("accuracy", text, ACCURACY)


def planned(elpv: Path, work: Path) -> Iterator[Run]:
    """Every set with both backbones; on the large ones Eq. 7, int8 or the first principal components too."""
    sets = [elpv, *(SHARED / "data" / name for name in ("mtd", "toys", "hazelnut256"))]
    for dataset in (d for d in sets if d.is_dir()):
        splits = _splits(dataset, work, SEEDS)
        for backbone in (name for name in BACKBONES if name != "resnet50" or RESNET50.exists()):
            run = Run(dataset.name, splits, backbone)
            yield run
            if backbone != "resnet50":
                yield replace(run, score="map")
            if dataset.name in ("elpv-mono", "mtd"):
                yield replace(run, metric="whitened")
            if dataset.name == "elpv-mono":
                yield replace(run, reweight=True)
            if backbone != "resnet50" and dataset.name in ("elpv-mono", "mtd"):
                yield replace(run, precision="int8")
            if backbone == "resnet50" and dataset.name == "elpv-mono":
                yield replace(run, pca=COMPONENTS)


def _splits(dataset: Path, work: Path, seeds: Sequence[int]) -> tuple[Path, ...]:
    share = TAUGHT.get(dataset.name, OTHERWISE)
    return tuple(write_apart(dataset, work / f"{dataset.name}-apart-{seed}", seed, share) for seed in seeds)


def in_float32(name: str) -> Backbone:
    """A backbone of ``BACKBONES``, resnet50 with the weights of the shared folder."""
    weights = RESNET50 if name == "resnet50" else None
    return load_backbone(name, weights, allow_fetch=False, precision="float32")


HEAD = (
    "set: photographs, parts taught",
    "backbone",
    "setting",
    "image AUROC",
    "AUPR",
    "F1-max",
    "pixel AUROC",
    "AUPRO",
    "good rejected at 1 %",
    "at 5 %",
    "defects found at 1 %",
    "at 5 %",
    "peak MB",
)
METRICS = ("image_auroc", "image_aupr", "image_f1max", "pixel_auroc", "aupro")
RATES = ("0.01", "0.05")


def _row(run: Run, found: list[dict[str, Any]]) -> list[str]:
    taught, parts = (round(mean(each[key] for each in found)) for key in ("nominal_images", "nominal_parts"))
    return [
        f"{run.name}: {taught}, {parts}",
        found[0]["backbone"],
        str(run),
        *(over_seeds([each[key] for each in found], "{:.3f}", "no masks") for key in METRICS),
        *(
            over_seeds([each[kind][rate]["rate"] for each in found], "{:.1%}", "too few")
            for kind in ("false_reject", "detection")
            for rate in RATES
        ),
        f"{max(each['peak_memory_mb'] for each in found):.0f}",
    ]


def _evaluated(command: list[str]) -> dict[str, Any]:
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=ROOT, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _few(dataset: Path, out: Path, count: int = 6) -> Path:
    """The first few images of each folder, copied."""
    for folder in ("train/good", "test/good", "test/defective"):
        (out / folder).mkdir(parents=True, exist_ok=True)
        for path in sorted((dataset / folder).iterdir())[:count]:
            shutil.copy(path, out / folder / path.name)
    return out


def over_seeds(values: Sequence[float | None], form: str, absent: str) -> str:
    """Mean (lowest to highest)."""
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return absent
    low, middle, high = (form.format(value) for value in (min(known), mean(known), max(known)))
    return middle if low == high else f"{middle} ({low} to {high})"


if __name__ == "__main__":
    main()
