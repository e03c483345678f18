"""Scores and metrics of a bank over a labelled test set, through the same path an inspection takes.

Which test images show one part, and which of those parts the nominal images of the bank show too, is found on the way.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Int, Int64
from torch import Tensor

from app.errors import FolderError, ImageRefused
from app.imaging.datasets import GOOD, Dataset, TestImage
from app.imaging.decode import DEFAULT_LIMITS, ImageLimits
from app.imaging.folders import read_photograph
from app.imaging.header import shown_names
from app.imaging.masks import read_masks
from app.inspection.engine import Engine
from core.groups import Described, Describer, Groups, by_likeness
from core.input.photograph import Photograph
from core.input.preprocess import to_tensor
from core.judging.calibration import images_needed
from core.judging.conformal import RateOverParts, hierarchical_threshold, over_parts
from core.judging.groups import as_groups, group_sizes
from core.metrics.evaluation import Rate, auroc, average_precision, detection_rate, f1_max, false_reject_rate
from core.metrics.pixel_evaluation import PixelEvaluation, PixelMetrics
from core.retrieval import EXPANDED, RetrievalQuality, retrieval_quality, whitening_of
from models.runtime import Runtime

TARGET_RATES = (0.01, 0.05)


@dataclass(frozen=True)
class AtRate:
    """What a calibrated threshold did on unseen images; ``threshold`` None where n images do not support the rate.

    good_parts, defective_parts: the same rates over parts; None where each image shows its own, or is not known to.
    """

    target: float
    threshold: float | None
    false_reject: Rate | None
    detection: Rate | None
    good_parts: RateOverParts | None = None
    defective_parts: RateOverParts | None = None


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Metrics over a test set: all in [0, 1], larger is better but for false-reject rates.

    dark: names of images whose highest bits are unused. retrieval: how well a defect finds others of its kind, on other
    parts; None where there are not two kinds.
    """

    scores: Float32[np.ndarray, " n"]
    defective: Bool[np.ndarray, " n"]
    names: tuple[str, ...]
    image_auroc: float
    image_aupr: float
    image_f1max: float
    pixels: PixelMetrics | None
    masks: Masks
    labels: tuple[str, ...]
    at_rates: tuple[AtRate, ...]
    ms_per_image: float
    dark: tuple[str, ...]
    retrieval: RetrievalQuality | None

    @property
    def warnings(self) -> list[str]:
        """What a person must know before believing the metrics."""
        if not self.dark:
            return self.masks.warnings()
        said = (
            f"{len(self.dark):,} of {len(self.scores):,} test images leave their highest bits unused and are read as "
            f"dark: {shown_names(self.dark)}. Build with --significant-bits if the camera fills fewer."
        )
        return [said, *self.masks.warnings()]

    def to_json(self) -> dict[str, Any]:
        """The accuracy keys of ``nominal eval --json``."""
        return {
            "image_auroc": self.image_auroc,
            "image_aupr": self.image_aupr,
            "image_f1max": self.image_f1max,
            "pixel_auroc": self.pixels.auroc if self.pixels else None,
            "aupro": self.pixels.aupro if self.pixels else None,
            "aupro_without_specks": self.pixels.overlap.aupro_without_specks if self.pixels else None,
            "false_reject": {
                str(a.target): _rate_json(a.threshold, a.false_reject, a.good_parts) for a in self.at_rates
            },
            "detection": {
                str(a.target): _rate_json(a.threshold, a.detection, a.defective_parts) for a in self.at_rates
            },
            "kinds": {kind: self._kind_json(kind) for kind in sorted({*self.labels} - {GOOD})},
            "retrieval": None
            if self.retrieval is None
            else {"map": self.retrieval.map, "precision_at_1": self.retrieval.precision_at_1},
            "masks": self.masks.to_json(),
            "ms_per_image": self.ms_per_image,
            "test_images": len(self.scores),
        }

    def found(self, kind: str, threshold: float) -> int:
        """How many images of a kind of defect score above a threshold."""
        return int(np.count_nonzero(self.scores[self._of(kind)] > threshold))

    def _of(self, kind: str) -> Bool[np.ndarray, " n"]:
        return np.asarray([label == kind for label in self.labels])

    def _kind_json(self, kind: str) -> dict[str, Any]:
        overlap = self.pixels.kinds.get(kind) if self.pixels else None
        return {
            "images": int(np.count_nonzero(self._of(kind))),
            "found": {
                str(a.target): None if a.threshold is None else self.found(kind, a.threshold)
                for a in self.at_rates
            },
            "aupro": overlap.aupro if overlap else None,
            "aupro_without_specks": overlap.aupro_without_specks if overlap else None,
            "regions": overlap.regions if overlap else 0,
            "specks": overlap.specks if overlap else 0,
        }


def evaluation_images(dataset: Dataset) -> list[TestImage]:
    """The test images, both classes among them: what metrics need, found missing before any work."""
    tests = dataset.test_images()
    good = sum(not test.defective for test in tests)
    if not 0 < good < len(tests):
        raise FolderError(
            requirement=f"a dataset to evaluate needs images in test/{GOOD} and in test/<defect>",
            received=f"{good} good and {len(tests) - good} defective",
            remedy="add images of the missing class",
        )
    return tests


def evaluate(
    engine: Engine,
    tests: Sequence[TestImage],
    rates: Iterable[float] = TARGET_RATES,
    done: Callable[[], None] = lambda: None,
    limits: ImageLimits = DEFAULT_LIMITS,
    parts: Callable[[], Int[np.ndarray, " t"]] | None = None,
) -> Evaluation:
    """Inspect every test image one at a time, as a line does, and compare with the truth.

    The milliseconds are those from the file to the answer. ``done`` is called after each image, ``parts`` after all:
    the label of the part that each shows, to count rates by. Raises ImageRefused, FolderError for a mask that does
    not fit, EvaluationError where a class is missing.
    """
    scores, milliseconds, pixels, masks, dark = [], [], PixelEvaluation(), Masks(), list[str]()
    worst = list[Float32[np.ndarray, " d"] | None]()
    for test in tests:
        started = time.perf_counter()
        image = read_photograph(test.path, engine.bank.config.input, limits)
        if isinstance(image, ImageRefused):
            raise image
        view = engine.view(image)
        answer = engine.inspect([view])[0]
        milliseconds.append((time.perf_counter() - started) * 1e3)
        if engine.bank.reference is not None:
            _show(engine, image)
        scores.append(answer.score)
        worst.append(answer.worst)
        if image.dark:
            dark.append(test.name)
        counted = view.placement.inspected(engine.bank.config.input) if view.located else None
        _add_pixels(pixels, masks, test, answer.heatmap, limits, counted)
        done()
    labels = None if parts is None else parts()
    found = np.asarray(scores, dtype=np.float32)
    defective = np.asarray([t.defective for t in tests])
    return Evaluation(
        scores=found,
        defective=defective,
        names=tuple(t.name for t in tests),
        image_auroc=auroc(found, defective),
        image_aupr=average_precision(found, defective),
        image_f1max=f1_max(found, defective).value,
        pixels=pixels.metrics() if masks.marked else None,
        masks=masks,
        labels=tuple(t.label for t in tests),
        at_rates=tuple(_at_rate(engine, rate, found, defective, labels) for rate in rates),
        ms_per_image=median(milliseconds),
        dark=tuple(dark),
        retrieval=_retrieval(engine, tests, worst, labels),
    )


def _show(engine: Engine, image: Photograph) -> None:
    """An image as taken, to what watches the backbone: parts are told apart by that, not by what is registered."""
    spec = engine.backbone.spec
    engine.backbone(to_tensor(image.pixels, engine.bank.config.input, spec.mean, spec.std)[None])


def _retrieval(
    engine: Engine,
    tests: Sequence[TestImage],
    worst: Sequence[Float32[np.ndarray, " d"] | None],
    parts: Int[np.ndarray, " t"] | None,
) -> RetrievalQuality | None:
    bad = [i for i, test in enumerate(tests) if test.defective and worst[i] is not None]
    kinds = np.asarray([tests[i].label for i in bad])
    if len(np.unique(kinds)) < 2:
        return None
    described = whitening_of(engine.bank.vectors)(
        np.stack([each for i in bad if (each := worst[i]) is not None])
    )
    return retrieval_quality(described, kinds, np.asarray(bad) if parts is None else parts[bad], EXPANDED)


@dataclass
class Masks:
    """What the masks of the defective images turned out to be: names of images by what is odd about theirs.

    out_of_sight: those whose defect is wholly where the bank's mask leaves out. left_out: pixels of all images there,
    which no pixel metric counts.
    """

    absent: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    inverted: list[str] = field(default_factory=list)
    out_of_sight: list[str] = field(default_factory=list)
    defective: int = 0
    left_out: int = 0

    def leave_out(self, counted: Bool[np.ndarray, "h w"] | None) -> None:
        self.left_out += 0 if counted is None else int(np.count_nonzero(~counted))

    def take(
        self, name: str, mask: Bool[np.ndarray, "h w"] | None, counted: Bool[np.ndarray, "h w"] | None
    ) -> None:
        self.defective += 1
        if mask is None:
            self.absent.append(name)
        elif not mask.any():
            self.empty.append(name)
        elif counted is not None and not (mask & counted).any():
            self.out_of_sight.append(name)
        elif mask.mean() > 0.5 and _border(mask).mean() > 0.9:
            self.inverted.append(name)

    @property
    def marked(self) -> int:
        """Images whose mask marks something that is inspected."""
        return self.defective - len(self.absent) - len(self.empty) - len(self.out_of_sight)

    def warnings(self) -> list[str]:
        """What a person must know before believing the pixel metrics."""
        said = []
        if 0 < len(self.absent) < self.defective:
            said.append(
                f"{self.defective - len(self.absent):,} of {self.defective:,} defective images have a mask; pixel "
                f"metrics are of those only. Without one: {shown_names(self.absent)}."
            )
        if self.empty:
            said.append(
                f"The masks of these defective images mark nothing: {shown_names(self.empty)}. Draw them again."
            )
        if self.inverted:
            said.append(
                "These masks mark most of the image and its border: "
                f"{shown_names(self.inverted)}. If they mark what is good, invert them."
            )
        if self.left_out:
            said.append(
                f"Pixel metrics leave out {self.left_out:,} pixels, where the bank's mask inspects nothing."
            )
        if self.out_of_sight:
            said.append(
                "The defects of these images are wholly where the bank's mask inspects nothing, so they count only as "
                f"images: {shown_names(self.out_of_sight)}."
            )
        return said

    def to_json(self) -> dict[str, int]:
        return {
            "defective": self.defective,
            "with_mask": self.defective - len(self.absent),
            "empty": len(self.empty),
            "perhaps_inverted": len(self.inverted),
            "out_of_sight": len(self.out_of_sight),
            "pixels_left_out": self.left_out,
        }


def _border(mask: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, " n"]:
    return np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])


def _add_pixels(
    pixels: PixelEvaluation,
    masks: Masks,
    test: TestImage,
    heat: Float32[np.ndarray, "h w"],
    limits: ImageLimits,
    counted: Bool[np.ndarray, "h w"] | None,
) -> None:
    """Nominal images count, but for what the bank's mask leaves out; a defective one only where its mask is known."""
    if not test.defective:
        masks.leave_out(counted)
        pixels.add(heat, counted=counted)
        return
    mask = read_masks(test.masks, heat.shape, limits) if test.masks else None
    masks.take(test.name, mask, counted)
    if mask is not None:
        masks.leave_out(counted)
        pixels.add(heat, mask, test.label, counted)


def _at_rate(
    engine: Engine, rate: float, scores: np.ndarray, defective: np.ndarray, labels: np.ndarray | None
) -> AtRate:
    bank = engine.bank
    if len(group_sizes(bank.calibration_groups)) < images_needed(rate):
        return AtRate(rate, None, None, None)
    threshold = hierarchical_threshold(bank.calibration_scores, bank.calibration_groups, rate)
    return AtRate(
        rate,
        threshold,
        false_reject_rate(scores, defective, threshold),
        detection_rate(scores, defective, threshold),
        _of_parts(scores > threshold, ~defective, labels),
        _of_parts(scores > threshold, defective, labels),
    )


def _of_parts(hits: np.ndarray, among: np.ndarray, labels: np.ndarray | None) -> RateOverParts | None:
    if labels is None:
        return None
    rate = over_parts(hits[among], as_groups(labels[among]))
    return rate if rate.parts < rate.photographs else None


def _rate_json(threshold: float | None, rate: Rate | None, parts: RateOverParts | None) -> dict[str, Any]:
    """Over parts where several images show one."""
    if rate is None:
        return {"threshold": None, "rate": None, "n": 0, "low": None, "high": None}
    found = {"threshold": threshold, "rate": rate.value, "n": rate.n, "low": rate.low, "high": rate.high}
    if parts is None:
        return found
    return found | {"rate": parts.rate, "parts": parts.parts, "low": parts.low, "high": parts.high}


@dataclass(frozen=True, eq=False)
class PartsOfTests:
    """labels (t,): the part of each test image, numbered from 0. shared (t,): whether a nominal image shows it too."""

    labels: Int64[np.ndarray, " t"]
    shared: Bool[np.ndarray, " t"]

    @classmethod
    def among(cls, groups: Groups, nominal: int) -> PartsOfTests:
        """Of groups over the nominal images and, after them, the test images."""
        train, tests = groups.labels[:nominal], groups.labels[nominal:]
        return cls(as_groups(tests), np.isin(tests, train))

    def warning(self) -> str | None:
        """What a person must know before believing the rates; None where nominal images show other parts."""
        if not self.shared.any():
            return None
        count = len(np.unique(self.labels[self.shared]))
        parts = f"{count:,} part{'s' * (count != 1)}"
        return (
            f"{np.count_nonzero(self.shared):,} of {len(self.shared):,} test images show {parts} that "
            "train/good shows too: the bank knows them, so new parts are rejected more often than the rates here say."
        )


class Watched:
    """A backbone's runtime that remembers the last batch, so that ``keep`` can describe it once it is timed."""

    def __init__(self, run: Runtime, seed: int) -> None:
        self.name, self.precision, self._run = run.name, run.precision, run
        self._describer = Describer(seed)
        self._seen: tuple[Tensor, Tensor] | None = None

    def __call__(self, batch: Tensor) -> list[Float32[Tensor, "b _ _ _"]]:
        maps = self._run(batch)
        self._seen = batch, maps[-1]
        return maps

    def keep(self) -> None:
        """Describe what the last batch showed."""
        if self._seen is not None:
            self._describer.add(*self._seen)

    def parts(self, nominal: Described | None) -> PartsOfTests:
        """Of the images kept, beside those of the nominal set where they are known."""
        tests = self._describer.described()
        known = [tests] if nominal is None else [nominal, tests]
        every = Described(
            np.concatenate([each.sketches for each in known]),
            np.concatenate([each.textures for each in known]),
            tuple(digest for each in known for digest in each.digests),
        )
        return PartsOfTests.among(by_likeness(every), len(every.digests) - len(tests.digests))


def watched(engine: Engine) -> tuple[Engine, Watched]:
    """The same engine, and what its backbone sees."""
    watch = Watched(engine.backbone.engine, engine.bank.config.seed)
    return Engine(replace(engine.backbone, engine=watch), engine.bank), watch
