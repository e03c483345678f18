"""The main job on real images: solar cells. A bank from nominal cells, then unseen cells inspected.

``python -m bench.demo`` takes the electroluminescence photographs of the PyPI package elpv-dataset, teaches a bank
with 60 % of the flawless monocrystalline cells and inspects all the others and all defective ones. It prints a
table and writes one self-contained page, build/demo/report.html. Two more banks, of a larger input and of half the
images, say why defects are missed and what would find them; ``--once`` leaves them out. ``--toy`` does the same with a
few small images.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rich.table import Table

from app.cli.console import build_progress, counting, notice, stdout
from app.imaging.datasets import MvtecDataset, TestImage
from app.imaging.decode import decode_image
from app.imaging.pictures import encode_png, overlay
from app.inspection.engine import Engine, Inspection
from app.learning.learn import Hooks, image_files, learn
from bench.datasets import spread, write_elpv
from bench.misses import Tried, explained
from bench.report import ReportItem, Series, write_report
from core.bank import Bank, save_bank
from core.config import STEP, DetectorConfig, InputConfig
from core.groups import by_photograph
from core.judging.calibration import promise, supported_rate
from core.metrics.evaluation import auroc
from models.backbone import Backbone, load_backbone

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "build" / "demo"
SHOWN = 18  # inspections of each kind on the page
LARGER = 1.5  # times the input, of a bank to compare with


@dataclass(frozen=True)
class Shown:
    """One unseen cell and its inspection."""

    test: TestImage
    found: Inspection

    @property
    def truth(self) -> str:
        return "defective" if self.test.defective else "nominal"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--backbone", default="efficientnet-lite2", help="a name of `nominal weights list`, or auto"
    )
    parser.add_argument("--weights", type=Path, help="weights file for the backbone")
    parser.add_argument("--once", action="store_true", help="one bank only, none to compare it with")
    parser.add_argument("--toy", action="store_true", help="few images, small")
    parser.add_argument("--out", type=Path, default=OUT, help="folder for the bank and the page")
    arguments = parser.parse_args()

    dataset = MvtecDataset(write_elpv(ROOT / "build" / "datasets" / "elpv-mono"))
    train, tests = dataset.train_images(), dataset.test_images()
    config = DetectorConfig()
    if arguments.toy:
        train, tests = train[:30], [*tests[:4], *tests[-4:]]
        config = DetectorConfig(input=InputConfig(size=64), target_false_reject=0.05)

    backbone = load_backbone(arguments.backbone, arguments.weights)
    if backbone.notice:
        notice(backbone.notice)
    started = time.perf_counter()
    bank = _built(train, backbone, config)
    seconds = time.perf_counter() - started
    arguments.out.mkdir(parents=True, exist_ok=True)
    save_bank(bank, arguments.out / "solar-cells.bank")

    engine = Engine(backbone, bank)
    results = _inspect(engine, tests)
    chosen = [
        *_spread([r for r in results if not r.test.defective]),
        *_spread([r for r in results if r.test.defective]),
    ]
    stdout.print(_table(chosen))
    page = arguments.out / "report.html"
    facts = _facts(engine, results, seconds)
    others = [] if arguments.once else [_again(backbone, *each, tests) for each in _changes(train, config)]
    notes = explained(_tried("", engine, results), others)
    _write(page, engine, results, chosen, facts, notes)
    for name, value in facts:
        stdout.print(f"{name:<28} {value}", highlight=False)
    stdout.print(promise(len(bank.calibration_scores), config.target_false_reject).text, highlight=False)
    for note in notes:
        stdout.print(note, highlight=False)
    stdout.print(f"Page: {page}", highlight=False, soft_wrap=True)


def _built(train: Sequence[Path], backbone: Backbone, config: DetectorConfig) -> Bank:
    names = [path.name for path in train]
    with build_progress() as progress:
        return learn(
            image_files(train, names, config.input),
            backbone,
            config,
            Hooks(progress),
            groups=by_photograph(len(names)),  # each photograph shows another cell
        ).bank


def _changes(
    train: Sequence[Path], config: DetectorConfig
) -> list[tuple[str, Sequence[Path], DetectorConfig]]:
    """What to compare with: (name, images, config)."""
    size = LARGER * config.input.size // STEP * STEP
    larger = replace(config, input=replace(config.input, size=int(size)))
    half = train[::2]
    return [
        (f"Input of {int(size)} pixels in place of {config.input.size}", train, larger),
        (f"Half of the images, {len(half)} in place of {len(train)}", half, config),
    ]


def _again(
    backbone: Backbone, name: str, train: Sequence[Path], config: DetectorConfig, tests: Sequence[TestImage]
) -> Tried:
    """The same with another bank; at the rate of the first where its images support it."""
    rate = max(config.target_false_reject, supported_rate(len(train)))
    engine = Engine(backbone, _built(train, backbone, replace(config, target_false_reject=rate)))
    return _tried(name, engine, _inspect(engine, tests))


def _tried(name: str, engine: Engine, results: Sequence[Shown]) -> Tried:
    scores = np.asarray([r.found.score for r in results], dtype=np.float32)
    bad = np.asarray([r.test.defective for r in results])
    return Tried(name, engine.thresholds.reject, scores[~bad], scores[bad], engine.bank.calibration_scores)


def _inspect(engine: Engine, tests: Sequence[TestImage]) -> list[Shown]:
    with counting("Inspecting unseen cells", len(tests)) as done:
        return [_inspected(engine, test, done) for test in tests]


def _inspected(engine: Engine, test: TestImage, done: Callable[[], None]) -> Shown:
    found = engine.inspect([decode_image(test.path.read_bytes())])[0]
    done()
    return Shown(test, found)


def _spread(results: Sequence[Shown]) -> list[Shown]:
    """From the least to the most anomalous, evenly over the ranks."""
    return spread(sorted(results, key=lambda r: r.found.score), SHOWN)


def _table(chosen: Sequence[Shown]) -> Table:
    table = Table(
        "cell", "in truth", "score", "threshold", "decision", "regions", "nearest nominal patch", box=None
    )
    for r in chosen:
        colour = {"accept": "green", "review": "yellow", "reject": "red"}[r.found.decision]
        near = r.found.nearest
        table.add_row(
            r.test.path.name,
            r.truth,
            f"{r.found.score:.3f}",
            f"{r.found.thresholds.reject:.3f}",
            f"[{colour}]{r.found.decision}[/]",
            str(len(r.found.regions)),
            f"{near.image} ({near.row}, {near.column})",
        )
    return table


def _facts(engine: Engine, results: Sequence[Shown], seconds: float) -> list[tuple[str, str]]:
    scores = np.asarray([r.found.score for r in results], dtype=np.float32)
    defective = np.asarray([r.test.defective for r in results])
    rejected = np.asarray([r.found.decision != "accept" for r in results])
    good, bad = int((~defective).sum()), int(defective.sum())
    return [
        ("nominal cells taught", str(len(engine.bank.calibration_scores))),
        ("built in", f"{seconds:.0f} s"),
        ("backbone", engine.backbone.spec.name),
        ("image AUROC", f"{auroc(scores, defective):.3f}"),
        ("good cells rejected", f"{int((rejected & ~defective).sum())} of {good}"),
        ("defective cells rejected", f"{int((rejected & defective).sum())} of {bad}"),
    ]


def _write(
    page: Path,
    engine: Engine,
    results: Sequence[Shown],
    chosen: Sequence[Shown],
    facts: Sequence[tuple[str, str]],
    notes: Sequence[str],
) -> None:
    def scores(defective: bool) -> tuple[float, ...]:
        return tuple(r.found.score for r in results if r.test.defective == defective)

    write_report(
        page,
        title="Solar cells, inspected by Nominal",
        lead="Learned from photographs of flawless cells alone. Below: cells it never saw, from the least to the most "
        "unlike, with the heatmap in score units over each.",
        facts=facts,
        threshold=engine.thresholds.reject,
        series=(Series("unseen nominal cells", scores(False)), Series("defective cells", scores(True))),
        items=[_item(engine, r) for r in chosen],
        notes=notes,
    )


def _item(engine: Engine, shown: Shown) -> ReportItem:
    image = decode_image(shown.test.path.read_bytes())
    drawn = overlay(image, shown.found.heatmap, engine.map_threshold, shown.found.regions)
    return ReportItem(
        name=shown.test.path.name,
        truth=shown.truth,
        score=shown.found.score,
        decision=shown.found.decision,
        image=encode_png(image),
        overlay=encode_png(drawn),
    )


if __name__ == "__main__":
    main()
