"""The search for better settings: from those given, one axis after another, the best so far kept on each.

Axes in the order of what they were worth on the sets tried (docs/accuracy.md): input size, score, metric, copies, share
kept, fit, backbone. Features of one size and backbone are computed once for all trials that share them. A change is
kept where its gain is clear (``core.advice.compare``); without one the cheaper setting stays, then the one given.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from core.advice.budget import JUDGED, PLAIN, Budget
from core.advice.compare import gain
from core.advice.report import Advice, NotTried, Trial, options
from core.advice.sample import Lens, Reading, Sample, Seen, seen
from core.advice.trial import judged, vectors_kept, vectors_of, without_eq7
from core.build import WHITENED_PARTS, Progress, stopped
from core.config import BUILD_MEMORY, LARGEST_SIZE, STEP, AugmentConfig, DetectorConfig, Fit
from core.features.patches import patch_features
from core.groups import Describer, Groups, by_likeness, require_several
from core.input.views import view_of
from core.judging.groups import as_groups
from core.search import Index

LARGER = (1.5, 2, 3, 4, 6)  # times the input size given
RATIOS = (0.05,)  # shares of patches kept, beside the one given
SQUARE = 0.03  # relative difference of height and width up to which a fit changes nothing
TIMED = 2  # images that a setting's time is the fastest of


@dataclass(eq=False)
class Search:
    """sample: read by its ``read``. lenses: what loads each backbone at hand, the one given first. groups: of nominal
    photographs, then tests; None finds them by likeness. images: of the whole set. photograph: (height, width) of most.
    """

    sample: Sample
    lenses: Mapping[str, Callable[[], Lens]]
    config: DetectorConfig
    images: int
    photograph: tuple[int, int]
    budget: Budget
    groups: Groups | None = None
    progress: Progress = lambda stage, done, total: None
    cancelled: Callable[[], bool] = lambda: False
    memory: int = BUILD_MEMORY
    directory: Path | None = None
    trials: list[Trial] = field(default_factory=list)
    not_tried: list[NotTried] = field(default_factory=list)
    taken: int = 0
    complete: bool = False

    def __post_init__(self) -> None:
        self.config = without_eq7(self.config)
        self._loaded: dict[str, Lens] = {}
        self._kept: dict[tuple[str, DetectorConfig], Seen] = {}
        self._costs: dict[str, float] = {}  # of a backbone: readings per image, at the settings given
        self._patches = 0.0  # of the whole set, at the settings given

    def run(self) -> None:
        """Try all there is time for. Raises Cancelled, what reading raises, ConfigError for too short a time,
        OneGroup where all photographs show one part. What is known stays in ``trials``, whatever ends it.
        """
        try:
            backbone = next(iter(self.lenses))
            self._begin(backbone)
            for axis in (self._sizes, self._scores, self._metrics, self._copies, self._ratios, self._fits):
                axis()
            for name in self.lenses:
                if name != backbone:
                    self._try(self._best.config, name)
            self.complete = True
        finally:
            for each in self._kept.values():
                each.close()

    def advice(self, left_aside: tuple[tuple[str, str], ...] = ()) -> Advice:
        """What is known so far; at least one trial must have ended."""
        parts = self.sample.parts
        assert parts is not None
        return Advice(
            tuple(self.trials),
            self.taken,
            tuple(self.not_tried),
            self.images,
            len(self.sample.nominal),
            len(set(parts[: len(self.sample.nominal)].tolist())),
            bool(self.sample.tests),
            self.photograph,
            self.complete,
            self.budget.cpu,
            self.budget.plain,
            self.budget.seconds,
            left_aside,
        )

    @property
    def _best(self) -> Trial:
        return self.trials[self.taken]

    def _begin(self, backbone: str) -> None:
        """The settings given; on the way the parts are found, and what an image costs."""
        describer = Describer(self.sample.seed) if self.groups is None else None
        before = self.budget.cpu
        self._patches = self.images * self._seen(self.config, backbone, describer).patches
        read = len(self.sample.nominal) * self.config.augment.views + self.sample.judged
        self.budget.image = (self.budget.cpu - before) / read
        self._costs[backbone] = 1.0
        self.budget.used += read * (1 + JUDGED)
        if describer is not None:
            self.groups = by_likeness(describer.described(), self.sample.seed, self._check)
        assert self.groups is not None
        self.sample.parts = as_groups(require_several(self.groups).labels)
        self._judge(self.config, backbone)

    def _sizes(self) -> None:
        """Up while that gains; then the one between, which is kept where the larger finds no more than it."""
        given = self.config.input.size
        most, larger = largest_size(self.photograph), sizes_above(given, self.photograph)
        if self.config.input.crop is not None and larger:
            self._skip(
                f"size {larger[0]} and larger", "the settings crop the input; choose size and crop together"
            )
            return
        if not larger:
            if given > most:
                self._smaller(most)
            else:
                self._skip(
                    f"sizes above {given}",
                    f"the photographs have {max(self.photograph)} pixels a side at most",
                )
            return
        steps = [size for size in larger if size >= 2 * given] or larger[-1:]
        for size in steps:
            if not self._try(self._sized(self._best.config, size)):
                break
        below = [size for size in larger if size < self._best.config.input.size and not self._was(size)]
        if below and self.taken:
            self._cheaper(self._sized(self._best.config, below[-1]))

    def _smaller(self, most: int) -> None:
        """An input larger than the photographs only enlarges them: the largest that does not, unless it finds less."""
        self._cheaper(self._sized(self.config, most))

    def _scores(self) -> None:
        self._try(replace(self._best.config, score="map" if self.config.score == "patch" else "patch"))

    def _ratios(self) -> None:
        for ratio in RATIOS:
            if ratio > self.config.coreset_ratio:
                self._try(replace(self._best.config, coreset_ratio=ratio))

    def _metrics(self) -> None:
        if self.config.metric == "whitened":
            self._try(replace(self._best.config, metric="euclidean"))
        elif self.images >= WHITENED_PARTS:
            self._try(replace(self._best.config, metric="whitened"))
        else:
            self._skip("metric whitened", f"it needs {WHITENED_PARTS} nominal parts")

    def _fits(self) -> None:
        height, width = self.photograph
        if abs(height - width) <= SQUARE * width or self.config.input.crop is not None:
            return
        other: Fit = "letterbox" if self.config.input.fit == "stretch" else "stretch"
        self._try(replace(self._best.config, input=replace(self._best.config.input, fit=other)))

    def _copies(self) -> None:
        """Mirror images, then quarter turns: worth their time only where parts arrive so, which held-out parts show."""
        if self.config.augment != AugmentConfig():
            return
        if self.config.registration.on or self.config.position:
            self._skip("copies", "parts lie alike where they are registered or their places count")
            return
        for augment in (AugmentConfig(flips=True), AugmentConfig(flips=True, quarter_turns=True)):
            if not self._try(replace(self._best.config, augment=augment)):
                break

    def _try(self, config: DetectorConfig, backbone: str | None = None) -> bool:
        """Whether the setting was judged and is clearly better than the best so far, which it then becomes."""
        trial = self._compared(config, backbone or self._best.backbone)
        if trial is None or trial.gain is None or not trial.gain.clear:
            return False
        self.taken = len(self.trials) - 1
        return True

    def _cheaper(self, config: DetectorConfig) -> None:
        """Take a cheaper setting unless it is clearly worse than the best or does not pass the first."""
        trial = self._compared(config, self._best.backbone)
        if trial is None or trial.gain is None or trial.gain.worse or trial.gain.found < 0:
            return
        passes = gain(self.trials[0].judged, trial.judged, self.config.target_false_reject, self.config.seed)
        if passes.clear or config.input.size < self.config.input.size:
            self.taken = len(self.trials) - 1

    def _compared(self, config: DetectorConfig, backbone: str) -> Trial | None:
        said = " ".join(options(self._best.config, config)).replace("--", "") or f"backbone {backbone}"
        cost = self._estimate(config, backbone)
        if not self.budget.allows(cost):
            builds = cost / (PLAIN * self.images)
            over = "the time is up" if self.budget.over() else "that is more than there is time for"
            self._skip(said, f"it costs about {builds:.1f} plain builds, {over}")
            return None
        self.budget.used += cost
        self.progress(f"Trying {said}"[:64], 0, 1)
        against, rate = self.taken, self.config.target_false_reject
        trial = self._judge(config, backbone)
        found = gain(self.trials[against].judged, trial.judged, rate, self.config.seed)
        self.trials[-1] = replace(trial, against=against, gain=found)
        return self.trials[-1]

    def _judge(self, config: DetectorConfig, backbone: str) -> Trial:
        """One more trial, appended."""
        eyes = self._seen(config, backbone)
        vectors = vectors_of(eyes, config, self.images)
        found = judged(self.sample, eyes, config, vectors, self._check)
        seconds = self._image_seconds(config, backbone, vectors)
        size = vectors * config.dimensions(eyes.nominal.dimension) * 4 / 1e6
        reading = seconds * self.images * config.augment.views
        self.trials.append(Trial(config, backbone, found, 1e3 * seconds, vectors, size, reading))
        return self.trials[-1]

    def _seen(self, config: DetectorConfig, backbone: str, describer: Describer | None = None) -> Seen:
        """Features in this view; those of the best so far are kept beside them."""
        key = backbone, _view(config)
        if key not in self._kept:
            best = (self._best.backbone, _view(self._best.config)) if self.trials else key
            for old in [each for each in self._kept if each != best]:
                self._kept.pop(old).close()
            with self.budget.uncounted():
                self._warm(config, backbone)
            total, done = len(self.sample.nominal) + self.sample.judged, iter(range(1, 1 << 30))
            stage = f"Reading at {config.input.size} pixels"
            how = Reading(
                self.memory, self.directory, self._check, lambda: self.progress(stage, next(done), total)
            )
            self._kept[key] = seen(self.sample, self._lens(backbone), config, how, describer)
        return self._kept[key]

    def _warm(self, config: DetectorConfig, backbone: str) -> None:
        """What a runtime does once for an input size."""
        shot, ref = self.sample.nominal[0], self._lens(backbone).ref
        x = self.sample.view(shot, config, ref.mean).tensor(config.input, ref.mean, ref.std)
        self._lens(backbone).extract(x[None])

    def _image_seconds(self, config: DetectorConfig, backbone: str, vectors: int) -> float:
        """From pixels to the nearest of so many vectors, the fastest of a few."""
        lens, shot = self._lens(backbone), self.sample.nominal[0]
        photograph, mean = shot.read(config.input), lens.ref.mean
        eyes = self._seen(config, backbone)
        store, rng = eyes.nominal, np.random.default_rng(self.config.seed)
        ids = np.sort(rng.choice(store.count, min(store.count, vectors), replace=False))
        index = Index.build(store.rows(ids))
        took = []
        for _ in range(TIMED):
            started = time.perf_counter()
            x = view_of(photograph, config, mean, self.sample.reference).tensor(
                config.input, mean, lens.ref.std
            )
            patches = patch_features(lens.extract(x[None]), config.patch)
            index.search(patches.vectors[0])
            took.append(time.perf_counter() - started)
        return min(took)

    def _estimate(self, config: DetectorConfig, backbone: str) -> float:
        """Readings that a trial costs."""
        larger = self._pixels(config) / self._pixels(self.config)
        vectors = vectors_kept(config, self._patches * larger) / self.trials[0].vectors
        images = len(self.sample.nominal) + self.sample.judged
        judging = JUDGED * images * larger * math.sqrt(vectors)  # greedy reads few points for a pick
        if (backbone, _view(config)) in self._kept:
            return judging
        read = len(self.sample.nominal) * config.augment.views + self.sample.judged + TIMED
        return judging + read * self._cost(backbone) * larger

    def _cost(self, backbone: str) -> float:
        """Readings of the first backbone that one of another costs."""
        if backbone not in self._costs:
            took = []
            for name in (next(iter(self.lenses)), backbone):
                with self.budget.uncounted():
                    self._warm(self.config, name)
                before = self.budget.cpu
                self._warm(self.config, name)
                took.append(self.budget.cpu - before)
            self._costs[backbone] = max(1e-3, took[1]) / max(1e-3, took[0])
        return self._costs[backbone]

    def _pixels(self, config: DetectorConfig) -> float:
        side = config.input.size
        height, width = self.photograph
        long = max(height, width) / min(height, width) if config.input.fit == "short_side" else 1.0
        return side * side * long

    def _lens(self, name: str) -> Lens:
        if name not in self._loaded:
            self._loaded[name] = self.lenses[name]()
        return self._loaded[name]

    def _was(self, size: int) -> bool:
        return any(trial.config.input.size == size for trial in self.trials)

    def _sized(self, config: DetectorConfig, size: int) -> DetectorConfig:
        return replace(config, input=replace(config.input, size=size))

    def _skip(self, setting: str, why: str) -> None:
        self.not_tried.append(NotTried(setting, why))

    def _check(self) -> None:
        if self.cancelled():
            raise stopped("advice")


def largest_size(photograph: tuple[int, int]) -> int:
    """The largest input that enlarges no photograph of (height, width)."""
    return min(LARGEST_SIZE, max(STEP, math.floor(max(photograph) / STEP) * STEP))


def sizes_above(size: int, photograph: tuple[int, int]) -> list[int]:
    """Larger inputs to try for photographs of (height, width), ascending."""
    sizes = {round(size * times / STEP) * STEP for times in LARGER}
    return sorted(each for each in sizes if size < each <= largest_size(photograph))


def _view(config: DetectorConfig) -> DetectorConfig:
    """The settings that features depend on; the others at their defaults."""
    return DetectorConfig(
        input=config.input,
        patch=config.patch,
        augment=config.augment,
        registration=config.registration,
        seed=config.seed,
    )
