"""Which test images show one part, and which of those parts the nominal images of the bank show too."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float32, Int64
from torch import Tensor

from app.inspection.engine import Engine
from core.groups import Described, Describer, Groups, by_likeness
from core.judging.groups import as_groups
from models.runtime import Runtime


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
        parts = len(np.unique(self.labels[self.shared]))
        return (
            f"{np.count_nonzero(self.shared):,} of {len(self.shared):,} test images show {parts:,} parts that "
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
