"""The backbones in memory, by weights and precision: the server's own, and those its banks need."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

import numpy as np

from app.errors import VersionUnproven
from app.inspection.engine import Engine
from app.settings import Settings
from core.bank import BackboneRef, Bank, CoresetRecord, Provenance
from core.config import DetectorConfig
from core.errors import CoreError
from core.search import Index
from models.backbone import Backbone, load_backbone
from models.choice import AUTO
from models.errors import ModelError
from models.runtime import PRECISIONS, RUNTIMES, is_native

LEARNT = 64  # vectors of the rehearsal's bank
REHEARSED_RATE = 0.5  # of false rejects, which a single image supports
UNUSABLE_HERE = (CoreError, ModelError, VersionUnproven)
"""What is wrong with a bank on this machine in one precision."""

log = logging.getLogger(__name__)


class Backbones:
    """Gives each bank its backbone. Safe to share between threads; a backbone once loaded stays."""

    def __init__(self, settings: Settings, default: Backbone | None = None) -> None:
        """``default`` in place of the one the settings name. Raises ModelError."""
        self._settings = settings
        self.default = default or open_backbone(settings)
        self._loaded = {(self.default.digest, self.default.precision): self.default}
        self._turn = threading.Lock()

    def precisions(self, ref: BackboneRef) -> tuple[str, ...]:
        """What to serve a bank in: the first in which it proves itself counts."""
        return precisions_for(ref, self._settings.precision)

    def of(self, ref: BackboneRef, precision: str) -> Backbone:
        """The backbone a bank needs, never fetched. Raises ModelError where its weights are not at hand.

        Weights of another digest are what the machine has: ``Engine`` refuses them for this bank.
        """
        with self._turn:
            if (known := self._loaded.get((ref.digest, precision))) is not None:
                return known
            own = ref.digest == self.default.digest
            found = load_backbone(
                ref.name,
                self._settings.weights if own else None,
                False,
                self._runtime(precision),
                self._settings.threads,
                precision,
            )
            self._loaded[found.digest, precision] = found
            return found

    def _runtime(self, precision: str) -> str:
        """The server's own where it has that precision: nothing is timed while others compute."""
        own = self.default.runtime
        return own if own in RUNTIMES and is_native(own, precision) else self._settings.runtime


def open_backbone(settings: Settings) -> Backbone:
    """The backbone the settings name. Raises ModelError."""
    return load_backbone(
        settings.backbone,
        settings.weights,
        settings.allow_fetch,
        settings.runtime,
        settings.threads,
        settings.precision,
    )


def backbone_ref(backbone: Backbone) -> BackboneRef:
    """What a bank records of the backbone that built it."""
    spec = backbone.spec
    return BackboneRef(
        name=spec.name,
        layers=spec.layers,
        channels=spec.channels,
        digest=backbone.digest,
        runtime=backbone.runtime,
        precision=backbone.precision,
        mean=spec.mean,
        std=spec.std,
    )


def precisions_for(ref: BackboneRef, asked: str) -> tuple[str, ...]:
    """Precisions in which a bank may be used, to be tried in order; the last is that of its build.

    ``auto`` is that of the build, whose scores the thresholds were taken from; only where this machine would
    have to simulate it, float32 comes first.
    """
    own = ref.precision
    if asked == AUTO:
        here = own not in PRECISIONS or any(is_native(runtime, own) for runtime in RUNTIMES)
        asked = own if here else "float32"
    return (asked,) if asked == own else (asked, own)


def in_turn(precisions: Sequence[str]) -> Iterator[AbstractContextManager[str]]:
    """A ``with`` block for each of ``precisions_for``: what makes a bank unfit in one is logged and the next is tried.

    In the last one it is raised.
    """
    *others, last = precisions
    for precision in others:
        yield _passed_over(precision, last)
    yield nullcontext(last)


def proven_engine(bank: Bank, asked: str, load: Callable[[str], Backbone]) -> Engine:
    """A bank with a backbone in ``asked`` precision, or in that of its build where it fails its conformance.

    ``load`` loads it in a precision. Nothing is checked where runtime and precision are those of the build.
    Raises CoreError, ModelError.
    """
    ref = bank.backbone
    for attempt in in_turn(precisions_for(ref, asked)):
        with attempt as precision:
            engine = Engine(load(precision), bank)
            if (engine.backbone.runtime, engine.backbone.precision) != (ref.runtime, ref.precision):
                engine.prove()
            return engine
    raise AssertionError("the last attempt returns or raises")


def rehearse(backbone: Backbone) -> None:
    """One image of noise inspected against a bank of noise: allocates and compiles what will be used."""
    rng, config = np.random.default_rng(0), DetectorConfig(target_false_reject=REHEARSED_RATE)
    learnt = rng.standard_normal((LEARNT, backbone.spec.dimension), np.float32)
    nowhere = np.zeros(LEARNT, np.int32)
    bank = Bank(
        config=config,
        backbone=backbone_ref(backbone),
        index=Index.build(learnt, config.index, config.seed),
        provenance=Provenance(("noise",), nowhere, nowhere, nowhere),
        coreset=CoresetRecord(0.0, 0.0, exact=False, source_patches=LEARNT),
        calibration_scores=np.ones(1, np.float32),
        calibration_peaks=np.ones(1, np.float32),
    )
    side = config.input.size
    Engine(backbone, bank).inspect([rng.integers(0, 256, (side, side, 3), dtype=np.uint8)])


@contextmanager
def _passed_over(precision: str, last: str) -> Iterator[str]:
    try:
        yield precision
    except UNUSABLE_HERE as error:
        log.warning("bank falls back to %s", last, extra={"precision": precision, "reason": str(error)})
