"""How accurate, at what cost? Runs ``nominal eval`` on real image sets and keeps docs/accuracy.md's table.

``python -m bench.accuracy`` takes the sets that are at hand: the solar cells of the PyPI package elpv-dataset
always, others from the folder of shared images where it lies beside the checkout. ``--toy`` evaluates a few
images once, to prove that the script works, and leaves the table alone.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.datasets import write_elpv
from bench.tables import ACCURACY, machine, replace_section, table

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"
RESNET50 = SHARED / "weights" / "resnet50-imagenet1k_v1-thru-layer3.safetensors"
BACKBONES = ("resnet50", "efficientnet-lite2")
COMPONENTS = 256  # of resnet50's 1,536 dimensions


@dataclass(frozen=True)
class Run:
    """One evaluation: a dataset under one setting."""

    dataset: Path
    backbone: str
    ratio: float
    size: int = 256
    reweight: bool = False
    precision: str = "float32"
    pca: int | None = None

    def command(self) -> list[str]:
        words = [
            sys.executable,
            "-m",
            "app.cli",
            "eval",
            str(self.dataset),
            "--json",
            "--offline",
            "--groups",
            "none",
        ]
        words += ["--backbone", self.backbone, "--size", str(self.size), "--coreset-ratio", str(self.ratio)]
        words += ["--precision", self.precision]
        words += [] if self.pca is None else ["--pca", str(self.pca)]
        if self.backbone == "resnet50" and RESNET50.exists():
            words += ["--weights", str(RESNET50)]
        return words + (["--reweight"] if self.reweight else [])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--toy", action="store_true", help="a few images once; the table stays as it is")
    parser.add_argument(
        "--only", default="", help="run only the sets whose name contains this; the table stays as it is"
    )
    parser.add_argument("--precision", help="run each only in this precision; the table stays as it is")
    arguments = parser.parse_args()
    work = ROOT / "build" / "datasets"
    elpv = write_elpv(work / "elpv-mono")
    if arguments.toy:
        toy = Run(_few(elpv, work / "elpv-toy"), "efficientnet-lite2", 0.01, 64)
        runs = [toy, replace(toy, pca=16)]
    else:
        runs = [run for run in planned(elpv) if arguments.only in run.dataset.name]
    if arguments.precision:
        runs = [replace(run, precision=arguments.precision) for run in runs if run.precision == "float32"]
    rows = []
    for run in runs:
        rows.append(_row(run, _evaluated(run)))
        print(" | ".join(rows[-1]), flush=True)
    text = f"{table(HEAD, rows)}\n\nMachine: {machine()}. Command: `make bench-accuracy`."
    print(text)
    if not (arguments.toy or arguments.only or arguments.precision):
        replace_section("accuracy", text, ACCURACY)


def planned(elpv: Path) -> Iterator[Run]:
    """Every set at 1 % with both backbones, by Eq. 6 and Eq. 7.

    The most varied set at 5 % too; both large sets in int8, and with resnet50 by its first principal components.
    """
    sets = [elpv, *(SHARED / "data" / name for name in ("mtd", "toys", "hazelnut256"))]
    backbones = [name for name in BACKBONES if name != "resnet50" or RESNET50.exists()]
    for dataset in (d for d in sets if d.is_dir()):
        for backbone in backbones:
            yield Run(dataset, backbone, 0.01)
            yield Run(dataset, backbone, 0.01, reweight=True)
            if dataset.name == "mtd":
                yield Run(dataset, backbone, 0.05)
            if dataset.name in ("elpv-mono", "mtd"):
                yield Run(dataset, backbone, 0.01, precision="int8")
                if backbone == "resnet50":
                    yield Run(dataset, backbone, 0.01, pca=COMPONENTS)


HEAD = (
    "set, nominal images",
    "backbone",
    "precision",
    "coreset",
    "PCA",
    "score",
    "image AUROC",
    "AUPR",
    "F1-max",
    "pixel AUROC",
    "AUPRO",
    "good rejected at 1 % / 5 %",
    "defects found at 1 % / 5 %",
    "peak MB",
)


def _row(run: Run, found: dict[str, Any]) -> list[str]:
    return [
        f"{run.dataset.name}, {found['nominal_images']}",
        found["backbone"],
        found["precision"],
        f"{run.ratio:.0%}, {found['bank_vectors']:,}",
        "none" if run.pca is None else f"{run.pca}",
        "Eq. 7" if run.reweight else "Eq. 6",
        *(_share(found[key]) for key in ("image_auroc", "image_aupr", "image_f1max", "pixel_auroc", "aupro")),
        *(
            " / ".join(_percent(found[kind][rate]["rate"]) for rate in ("0.01", "0.05"))
            for kind in ("false_reject", "detection")
        ),
        f"{found['peak_memory_mb']:.0f}",
    ]


def _evaluated(run: Run) -> dict[str, Any]:
    done = subprocess.run(run.command(), check=True, stdout=subprocess.PIPE, cwd=ROOT, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _few(dataset: Path, out: Path, count: int = 6) -> Path:
    """The first few images of each folder, copied."""
    for folder in ("train/good", "test/good", "test/defective"):
        (out / folder).mkdir(parents=True, exist_ok=True)
        for path in sorted((dataset / folder).iterdir())[:count]:
            shutil.copy(path, out / folder / path.name)
    return out


def _share(value: float | None) -> str:
    return "no masks" if value is None else f"{value:.3f}"


def _percent(value: float | None) -> str:
    return "too few" if value is None else f"{value:.1%}"


if __name__ == "__main__":
    main()
