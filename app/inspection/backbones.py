"""The backbones in memory, by weights and precision: the server's own, and those its banks need."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from app.inspection.engine import Engine
from app.settings import Settings
from core.bank import BackboneRef, Bank
from core.detector import check_conformance
from core.errors import CoreError
from models.backbone import Backbone, load_backbone
from models.choice import AUTO
from models.errors import ModelError
from models.runtime import PRECISIONS, RUNTIMES, is_native

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


def proven_engine(bank: Bank, asked: str, load: Callable[[str], Backbone]) -> Engine:
    """A bank with a backbone in ``asked`` precision, or in that of its build where it fails its conformance.

    ``load`` loads it in a precision. Nothing is checked where runtime and precision are those of the build.
    Raises CoreError, ModelError.
    """
    ref = bank.backbone
    *others, last = precisions_for(ref, asked)
    for precision in others:
        try:
            return _proven(bank, load(precision))
        except (CoreError, ModelError) as error:
            log.warning("%s is not taken: %s", precision, error)
    return _proven(bank, load(last))


def _proven(bank: Bank, backbone: Backbone) -> Engine:
    engine = Engine(backbone, bank)
    if (backbone.runtime, backbone.precision) != (bank.backbone.runtime, bank.backbone.precision):
        check_conformance(bank, backbone)
    return engine
