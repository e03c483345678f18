"""Image files -> advice on the settings to build them with: the one path of advice, whoever asks."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial

import numpy as np

from app.errors import ImageRefused, ImageUnreadable
from app.imaging.decode import DEFAULT_LIMITS, ImageLimits, decode_photograph
from app.imaging.folders import named
from app.inspection.backbones import backbone_ref
from app.learning.learn import Hooks, regrouped
from app.learning.registering import Registering
from app.learning.screening import Source
from core.advice.budget import JUDGED, Budget, check_within, readings_of_builds
from core.advice.report import Advice
from core.advice.sample import GOOD, Lens, Sample, Shot
from core.advice.search import Search, sizes_above
from core.build import BuildLimits
from core.config import DetectorConfig, InputConfig
from core.declared import require
from core.errors import EvaluationError, TooFewImages
from core.groups import Groups
from core.input.mask import check_aspect
from core.input.photograph import Photograph
from core.input.views import view_of
from core.registration import Reference, locate
from core.registration.location import unsure
from models.backbone import Backbone

FEWEST = 10  # nominal images; fewer leave five to learn from
MOST = 48  # nominal images read: what more of them add to the intervals is not worth their time
MOST_TESTS = 120
STEPS_SHARE = 0.85  # of what may be spent is for the settings given and the next
LARGER, OTHER = 6.2, 2.0  # times the settings given that the next larger input costs, and what else is tried
KEPT_BACK = 0.9  # of a time by the clock: it is measured on one image


@dataclass(frozen=True)
class Labelled:
    """Images to judge by, each with what reads its file, and ``good`` or its defect."""

    images: Sequence[tuple[Source, str]]


@dataclass(eq=False)
class Advising:
    """What is asked for. backbones: loads each at hand by name, the one to build with first. groups: which of
    ``images``, then of the tests, show one part; None finds them by likeness. within: seconds, None for at most three
    plain builds.

    Call ``run``, then ``advice``; after an interrupt ``advice`` has what was known, None where that is nothing.
    """

    images: Sequence[Source]
    backbones: Mapping[str, Callable[[], Backbone]]
    config: DetectorConfig
    hooks: Hooks = field(default_factory=Hooks)
    limits: BuildLimits = field(default_factory=BuildLimits)
    groups: Groups | None = None
    tests: Labelled | None = None
    within: float | None = None
    image_limits: ImageLimits = DEFAULT_LIMITS
    _search: Search | None = None
    _left_aside: list[tuple[str, str]] = field(default_factory=list)
    _reference: Reference | None = None

    def run(self) -> None:
        """Raises ConfigError for a time that is none or too short, RegistrationError for parts that cannot be
        registered, TooFewImages for fewer than FEWEST that can be read and located, EvaluationError for tests without a
        defect or without good images, OneGroup where all photographs show one part, MemoryBudgetError, Cancelled.
        """
        check_within(self.within)
        self._check_count(len(self.images))
        self._register()
        lens = {name: cache(partial(_lens, load)) for name, load in self.backbones.items()}
        budget = Budget(len(self.images), readings_of_builds(len(self.images)), self.within)
        if self.within is not None:
            budget.whole = self._readings(budget, next(iter(lens.values()))())
        units = self._units(budget)
        nominal, shapes = self._readable(self._nominal_count(units))
        tests = self._tests(units - len(nominal))
        flawed = [] if tests else range(0, len(nominal), 2)
        kept = [place for place, _ in nominal]
        groups = self.groups and regrouped(
            self.groups, kept + [len(self.images) + place for place, _ in tests]
        )
        self._search = Search(
            Sample(
                [shot for _, shot in nominal],
                list(flawed),
                [shot for _, shot in tests],
                self.config.seed,
                reference=self._reference,
            ),
            lens,
            self.config,
            len(self.images),
            Counter(shapes).most_common(1)[0][0],
            budget,
            groups,
            self.hooks.progress or (lambda stage, done, total: None),
            self.hooks.cancelled or (lambda: False),
            self.limits.memory_bytes // 4,
            self.limits.directory,
        )
        self._search.run()

    @property
    def advice(self) -> Advice | None:
        """What is known; None before the settings given were judged."""
        if self._search is None or not self._search.trials:
            return None
        return self._search.advice(tuple(self._left_aside))

    def _register(self) -> None:
        """The reference that a build of these images would choose, where parts are to be registered."""
        read = [
            (source[0], partial(_shot(source, self.image_limits).read, self.config.input))
            for source in self.images
        ]
        self._reference = Registering.over(read, self.config, (0.0, 0.0, 0.0)).reference

    def _units(self, budget: Budget) -> float:
        """How many images can be read at the settings given, with a next trial beside them."""
        shape = self._readable(1)[1][0]
        steps = LARGER if sizes_above(self.config.input.size, shape) else OTHER
        return STEPS_SHARE * budget.whole / (1 + steps) / (1 + JUDGED)

    def _readings(self, budget: Budget, lens: Lens) -> float:
        """That fit into the time by the clock. Raises ConfigError where it is too short for the settings given."""
        assert self.within is not None
        each = self._seconds_of_one(lens)
        found = KEPT_BACK * (self.within - budget.seconds) / each
        least = 1.5 * FEWEST * (1 + JUDGED)
        needed = (least * each + budget.seconds) / KEPT_BACK + 1
        require(
            found >= least,
            f"one setting must be tried within the time: its images take about {least * each:.1f} s here",
            f"{self.within:g} s",
            f"name at least {needed:.0f} seconds",
        )
        return found

    def _seconds_of_one(self, lens: Lens) -> float:
        """By the clock, of reading an image at the settings given; what happens once is not counted."""
        shots = self._readable(1)[0]
        for _ in range(2):
            started = time.perf_counter()
            photograph, ref = shots[0][1].read(self.config.input), lens.ref
            view = view_of(photograph, self.config, ref.mean, self._reference)
            lens.extract(view.tensor(self.config.input, ref.mean, ref.std)[None])
            took = time.perf_counter() - started
        return took

    def _nominal_count(self, units: float) -> int:
        """Two thirds of the images, since half of the nominal ones are read once more with defects; half with tests."""
        share = units / 1.5 if self.tests is None else units / 2
        return min(len(self.images), MOST, max(FEWEST, int(share)))

    def _readable(self, count: int) -> tuple[list[tuple[int, Shot]], list[tuple[int, int]]]:
        """So many images drawn at random, by place, and their shapes; others in place of what cannot be read."""
        order = np.random.default_rng(self.config.seed).permutation(len(self.images)).tolist()
        found, shapes = list[tuple[int, Shot]](), list[tuple[int, int]]()
        for place in order:
            if len(found) == count:
                break
            usable = self._usable(_shot(self.images[place], self.image_limits))
            if usable is None:
                self._check_count(len(self.images) - len(self._left_aside))
                continue
            found.append((place, usable[0]))
            shapes.append(usable[1])
        return sorted(found, key=lambda each: each[0]), shapes

    def _tests(self, units: float) -> list[tuple[int, Shot]]:
        """Labelled images by place: half of them good, the others of each defect alike."""
        if self.tests is None:
            return []
        rng, by_label = np.random.default_rng(self.config.seed), dict[str, list[int]]()
        for place in rng.permutation(len(self.tests.images)).tolist():
            by_label.setdefault(self.tests.images[place][1], []).append(place)
        good, defects = by_label.pop(GOOD, []), list(by_label.values())
        most = min(MOST_TESTS, max(2 * FEWEST, int(units)))
        mixed = [of[i] for i in range(max(map(len, defects), default=0)) for of in defects if i < len(of)]
        found = []
        for place in [*good[: most // 2], *mixed[: most - most // 2]]:
            source, label = self.tests.images[place]
            usable = self._usable(_shot(source, self.image_limits, label))
            if usable is not None:
                found.append((place, usable[0]))
        defective = sum(shot.kind != GOOD for _, shot in found)
        if not defective:
            raise EvaluationError(
                requirement="advice by labelled images needs some with a defect",
                received=f"{len(found)} good and no defective images that can be read",
                remedy="add labelled defects, or leave the test set out: defects are then made",
            )
        return found

    def _usable(self, shot: Shot) -> tuple[Shot, tuple[int, int]] | None:
        """An image with where its part lies, and its size; None for one that cannot be read or located, then named."""
        try:
            photograph = shot.read(self.config.input)
        except ImageRefused as error:
            refused = error if isinstance(error, ImageUnreadable) else named(error, shot.name)
            self._leave_aside(shot.name, str(refused))
            return None
        if self._reference is None:
            check_aspect(self.config.input.mask, *photograph.shape, shot.name)
            return shot, photograph.shape
        location = locate(photograph, self._reference, self.config.registration, self.config.input.mask)
        lost = location.refusal or (None if shot.kind else unsure(location))
        if lost is not None:
            self._leave_aside(shot.name, lost)
            return None
        return replace(shot, location=location), photograph.shape

    def _leave_aside(self, name: str, reason: str) -> None:
        if name not in dict(self._left_aside):
            self._left_aside.append((name, reason))
            self.hooks.say(f"Left aside {name}: {reason}")

    def _check_count(self, readable: int) -> None:
        if readable < FEWEST:
            aside = f", of which {len(self._left_aside):,} cannot be read" if self._left_aside else ""
            raise TooFewImages(
                requirement=f"advice needs at least {FEWEST} nominal images that can be read",
                received=f"{len(self.images):,}{aside}",
                remedy="photograph more good parts; with so few, build with the settings as they are",
            )


def _shot(source: Source, limits: ImageLimits, kind: str = "") -> Shot:
    name, read = source

    def decoded(config: InputConfig) -> Photograph:
        return decode_photograph(read(), config, limits)

    return Shot(name, decoded, kind)


def _lens(load: Callable[[], Backbone]) -> Lens:
    backbone = load()
    return Lens(backbone, backbone_ref(backbone), backbone.spec.offset)
