"""``nominal eval``: a labelled dataset -> metrics, with the bank built on the spot or given."""

from __future__ import annotations

import math
import resource
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from jaxtyping import Int64
from rich.table import Table

from app.cli import app
from app.cli import options as o
from app.cli.console import Json, build_progress, counting, notice, print_json, stdout
from app.errors import FolderError, ImageRefused
from app.imaging.datasets import Dataset, TestImage
from app.imaging.decode import ImageLimits
from app.imaging.folders import read_image
from app.imaging.masks import read_masks
from app.imaging.published import open_dataset
from app.insight.evaluate import TARGET_RATES, Evaluation, PartsOfTests, evaluate, evaluation_images, watched
from app.inspection.backbones import proven_engine
from app.inspection.engine import Engine
from app.learning.learn import BuiltBank, Hooks, image_files, learn, regrouped
from core.bank import Bank, load_bank
from core.build import BuildLimits
from core.config import DetectorConfig
from core.groups import Groups, choose
from core.judging.calibration import supported_rate
from core.judging.conformal import RateOverParts
from core.judging.groups import group_sizes
from core.metrics.evaluation import Rate
from models.backbone import Backbone
from nominal_client.folders import relative_names
from nominal_client.litter import left_out, sentences


@app.command("eval")
@o.grouped
def eval_(
    dataset_dir: Annotated[
        Path,
        typer.Argument(
            help="Folder with train/good, test/good, test/<defect>, or another form of docs/images.md."
        ),
    ],
    *,
    bank_file: Annotated[
        Path | None,
        typer.Option("--bank", help="Evaluate this bank, with its own settings, instead of building one."),
    ] = None,
    backbone: o.BackboneName = "auto",
    machine: o.Machine,
    config: DetectorConfig,
    images: ImageLimits,
    memory_mb: o.MemoryMb = o.MEMORY_MB,
    groups: o.GroupsOption = "auto",
    skip_bad: o.SkipBad = False,
    json_output: Json = False,
) -> None:
    """Build a bank from a set's good images, inspect its test images, and print the metrics."""
    given = load_bank(bank_file) if bank_file else None
    dataset = open_dataset(dataset_dir)
    tests, train = evaluation_images(dataset), _train_images(dataset, bank_file is not None)
    _say_what_is_read(dataset, tests, train)
    if skip_bad:
        tests = [test for test in tests if _readable(test, images)]
    names = relative_names([*train, *(test.path for test in tests)], dataset.root)
    known = choose(groups, names)
    seconds, described = None, None
    if given is not None:
        engine = proven_engine(given, machine.precision, partial(machine.load, given.backbone.name))
    else:
        extractor = machine.load(backbone)
        if extractor.notice:
            notice(extractor.notice)
        started = time.perf_counter()
        of_train = known and regrouped(known, range(len(train)))
        built = _built(train, extractor, config, BuildLimits(memory_mb << 20), images, of_train, skip_bad)
        engine, described = Engine(extractor, built.bank), built.described
        seconds = time.perf_counter() - started
    rates = tuple(sorted({*TARGET_RATES, config.target_false_reject}))
    seeing, watch = watched(engine)

    def parts() -> Int64[np.ndarray, " t"]:
        if known is None:
            of = watch.parts(described)
        elif given is not None:  # the bank may know other images than this dataset's
            of = PartsOfTests.among(regrouped(known, range(len(train), len(names))), 0)
        else:
            of = PartsOfTests.among(known, len(train))
        if warning := of.warning():
            notice(warning)
        return of.labels

    with counting("Inspecting", len(tests)) as done:

        def kept() -> None:
            watch.keep()
            done()

        found = evaluate(seeing, tests, rates, kept, images, parts)
    for warning in found.warnings:
        notice(warning)
    cost = _cost(engine, seconds)
    report = {"form": dataset.form} | found.to_json() | cost | _nominal(engine.bank)
    if json_output:
        print_json(report)
    else:
        stdout.print(_table(report, found, {"ms_per_image": found.ms_per_image, **cost}))


def _say_what_is_read(dataset: Dataset, tests: Sequence[TestImage], train: Sequence[Path]) -> None:
    """Say which form a dataset has, what of it is read, and with counts what is not."""
    bad = sum(test.defective for test in tests)
    notice(
        f"Read as {dataset.form}: {len(train):,} good images to learn, {len(tests) - bad:,} good and {bad:,} defective "
        "to test."
    )
    read = [*train, *(path for test in tests for path in (test.path, *test.masks))]
    for part in dataset.folders:
        left = left_out(dataset.root / part, read) if (dataset.root / part).is_dir() else []
        for sentence in sentences(replace(each, name=f"{part}/{each.name}") for each in left):
            notice(sentence)
    for sentence in dataset.aside:
        notice(sentence)


def _train_images(dataset: Dataset, optional: bool) -> list[Path]:
    """A dataset to judge a finished bank by needs none."""
    try:
        return dataset.train_images()
    except FolderError:
        if optional:
            return []
        raise


def _readable(test: TestImage, limits: ImageLimits) -> bool:
    """Whether an image and its masks can be read; said where not."""
    try:
        image = read_image(test.path, limits)
        if isinstance(image, ImageRefused):
            raise image
        read_masks(test.masks, image.shape[:2], limits)
    except (ImageRefused, FolderError) as error:
        notice(f"Skipped {test.name}: {error}")
        return False
    return True


def _built(
    paths: list[Path],
    extractor: Backbone,
    config: DetectorConfig,
    limits: BuildLimits,
    images: ImageLimits,
    groups: Groups | None,
    skip_bad: bool,
) -> BuiltBank:
    """The bank, its rate lowered to what the parts support."""
    files = image_files(paths, [path.name for path in paths], config.input, images)
    with build_progress() as progress:
        hooks = Hooks(progress, say=notice, skip_bad=skip_bad, any_rate=True)
        supported = _supported(config, len(paths), "nominal images")
        built = learn(files, extractor, supported, hooks, limits, groups)
    parts = len(group_sizes(built.bank.calibration_groups))
    return replace(built, bank=replace(built.bank, config=_supported(supported, parts, "nominal parts")))


def _supported(config: DetectorConfig, count: int, what: str) -> DetectorConfig:
    """The config at a rate this set supports, said aloud; the metrics at unsupported rates stay null."""
    best = math.ceil(1e4 * supported_rate(count)) / 1e4  # in whole hundredths of a per cent
    if config.target_false_reject >= best:
        return config
    notice(
        f"{count} {what} support a false-reject rate of {best:.2%} at best; "
        f"{config.target_false_reject:.2%} was asked. Decisions use {best:.2%}; metrics at lower rates are null."
    )
    review = None if config.target_review is None else max(best, config.target_review)
    return replace(config, target_false_reject=best, target_review=review)


def _cost(engine: Engine, build_seconds: float | None) -> dict[str, Any]:
    bank = engine.bank
    return {
        "build_seconds": build_seconds,
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "bank_vectors": len(bank.vectors),
        "backbone": bank.backbone.name,
        "runtime": engine.backbone.runtime,
        "precision": engine.backbone.precision,
        "size": bank.config.input.size,
        "seed": bank.config.seed,
    }


def _nominal(bank: Bank) -> dict[str, int]:
    images = len(bank.provenance.images)
    return {
        "nominal_images": images,
        "nominal_parts": images if bank.groups is None else int(bank.groups.max()) + 1,
    }


def _table(report: dict[str, Any], found: Evaluation, cost: dict[str, Any]) -> Table:
    table = Table("metric", "value", box=None)
    for key in ("image_auroc", "image_aupr", "image_f1max", "pixel_auroc", "aupro"):
        value = report[key]
        table.add_row(key.replace("_", " "), "no masks" if value is None else f"{value:.4f}")
    for at in found.at_rates:
        label = f"at a target of {at.target:.2%}"
        if at.false_reject is None or at.detection is None:
            table.add_row(label, "not supported by so few nominal images")
            continue
        table.add_row(
            label,
            f"threshold {at.threshold:.3f}: {_rejected(at.false_reject, at.good_parts)}, "
            f"{at.detection.value:.1%} of {at.detection.n} defective detected",
        )
    for kind, of in report["kinds"].items():
        table.add_row(kind, _kind(of))
    if found.retrieval is not None:
        quality = found.retrieval
        said = f"mean average precision {quality.map:.3f}, {quality.precision_at_1:.1%} of the nearest are of the kind"
        table.add_row("similar defects", said)
    for key, value in cost.items():
        table.add_row(key.replace("_", " "), f"{value:.1f}" if isinstance(value, float) else str(value))
    return table


def _kind(of: dict[str, Any]) -> str:
    """``8 images, detected at 1.00%: 3, 5.00%: 6; AUPRO 0.812, 0.901 without 4 specks of 12 regions``."""
    known = [f"{float(rate):.2%}: {count}" for rate, count in of["found"].items() if count is not None]
    detected = f"{of['images']} images, detected at {', '.join(known)}" if known else f"{of['images']} images"
    if of["aupro"] is None:
        return detected
    aupro = f"{detected}; AUPRO {of['aupro']:.3f}"
    if not of["specks"] or of["aupro_without_specks"] is None:
        return aupro
    return (
        f"{aupro}, {of['aupro_without_specks']:.3f} without {of['specks']} specks of {of['regions']} regions"
    )


def _rejected(images: Rate, parts: RateOverParts | None) -> str:
    if parts is None:
        interval = f"95 % interval {images.low:.1%} to {images.high:.1%}"
        return f"{images.value:.1%} of {images.n} good rejected ({interval})"
    interval = f"95 % interval over parts {parts.low:.1%} to {parts.high:.1%}"
    return f"{parts.rate or 0:.1%} of {parts.parts} good parts in {images.n} images rejected ({interval})"
