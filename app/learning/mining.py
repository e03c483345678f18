"""Rejects and good images -> patterns of defects: the one path of mining (core/patterns), whoever asks.

Images are read twice: all of them for what is pooled, then the few that show a pattern best for its place on them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float32

from app.errors import ImageRefused
from app.inspection.engine import Engine
from app.learning.learn import Hooks
from app.store.blobs import BLOB_FAULTS
from core.errors import Cancelled, TooFewImages
from core.input.photograph import Photograph
from core.patterns import INPUTS, Mined, Of, Pooled, Seen, agreement, mine, seen, stability
from core.retrieval import grouped, whitening_of_some

SEEDS = 3  # whose patterns stability compares
EXAMPLES = 3  # images of one pattern, those that it answers to most strongly
SHOWN = 0.5  # of a response, above which an image shows a pattern
LEAST = 2  # rejects, and good images


@dataclass(frozen=True, eq=False)
class Taken:
    """An image: its name, what reads it, its kind where people named one, the bank vectors that it gave itself."""

    name: str
    read: Callable[[], Photograph]
    kind: str | None = None
    own: np.ndarray | None = None


@dataclass(eq=False)
class Mining:
    """Patterns of ``rejects`` against ``good``, by a version. Call ``run``; ``found`` has a document per input.

    left_aside: names and reasons of what cannot be read or is not located.
    """

    engine: Engine
    rejects: Sequence[Taken]
    good: Sequence[Taken]
    count: int
    hooks: Hooks = field(default_factory=Hooks)
    inputs: Sequence[Of] = INPUTS
    left_aside: list[tuple[str, str]] = field(default_factory=list)

    def run(self) -> dict[str, Any]:
        """Plain JSON. Raises TooFewImages where fewer than LEAST of a side can be read, Cancelled."""
        good, _ = self._pooled("nominal", self.good)
        bad, worst = self._pooled("rejects", self.rejects)
        taken = [one for one, _ in bad]
        clusters = grouped(whitening_of_some(self.engine.bank.vectors)(worst)).tolist()
        said = []
        for done, of in enumerate(self.inputs):
            self._advance("patterns", done, len(self.inputs))
            sides = (np.stack([pooled[of] for _, pooled in side]) for side in (good, bad))
            said.append(self._mined(of, Pooled(*sides), taken))
        return {
            "nominal": len(good),
            "rejects": len(bad),
            "minings": said,
            "clusters": {"groups": len(set(clusters)), **_with_kinds(clusters, taken)},
            "named": sum(one.kind is not None for one in taken),
            "left_aside": [{"name": name, "reason": reason} for name, reason in self.left_aside],
        }

    def _mined(self, of: Of, pooled: Pooled, taken: Sequence[Taken]) -> dict[str, Any]:
        every = [mine(pooled, self.count, seed) for seed in range(SEEDS)]
        first = every[0]
        patterns = [self._pattern(first, number, of, pooled, taken) for number in range(self.count)]
        patterns.sort(key=lambda pattern: -pattern["rejects"])
        return {
            "of": of,
            "separation": first.separation,
            "stability": stability(every),
            **_with_kinds(first.groups.tolist(), taken),
            "patterns": patterns,
        }

    def _pattern(
        self, mined: Mined, number: int, of: Of, pooled: Pooled, taken: Sequence[Taken]
    ) -> dict[str, Any]:
        responses = mined.responses[:, number]
        strongest = np.argsort(-responses, kind="stable")[:EXAMPLES]
        return {
            "rejects": int(np.count_nonzero(mined.groups == number)),
            "frequency": float((responses > SHOWN).mean()),
            "in_nominal": float((mined.respond(pooled.nominal)[:, number] > SHOWN).mean()),
            "examples": [
                self._example(mined, number, of, taken[place], float(responses[place])) for place in strongest
            ],
        }

    def _example(self, mined: Mined, number: int, of: Of, one: Taken, response: float) -> dict[str, Any]:
        """Where on an image the pattern answers most; it was read before."""
        look = self._look(one)
        assert isinstance(look, Seen)
        cell = divmod(int(mined.places(look.patches[of], number).argmax()), look.grid[1])
        y, x = look.placement.at(cell, look.grid, self.engine.backbone.spec.offset)
        return {"name": one.name, "response": response, "x": x, "y": y}

    def _pooled(
        self, stage: str, images: Sequence[Taken]
    ) -> tuple[list[tuple[Taken, dict[Of, np.ndarray]]], Float32[np.ndarray, "i d"]]:
        """Of each image that can be read, what is pooled, and the mean of its worst patches."""
        found, worst = [], []
        for one, look in self._looks(stage, images):
            found.append((one, look.pooled()))
            worst.append(look.worst)
        if len(found) < LEAST:
            what = "good images" if stage == "nominal" else "rejects"
            raise TooFewImages(
                "patterns need at least two nominal images and two rejects that can be read",
                f"{len(found)} {what}, {len(self.left_aside)} left aside",
                f"collect more {what}",
            )
        return found, np.stack(worst)

    def _looks(self, stage: str, images: Sequence[Taken]) -> Iterator[tuple[Taken, Seen]]:
        for done, one in enumerate(images):
            self._advance(stage, done, len(images))
            look = self._look(one)
            if isinstance(look, str):
                self.left_aside.append((one.name, look))
                self.hooks.say(f"{one.name}: {look}")
            else:
                yield one, look

    def _look(self, one: Taken) -> Seen | str:
        """What patterns are mined on, or why an image is left aside."""
        engine = self.engine
        try:
            view = engine.view(one.read())
        except (ImageRefused, *BLOB_FAULTS) as error:
            return str(error)
        if not view.located:
            return "its part is not located."
        spec = engine.backbone.spec
        x = view.tensor(engine.bank.config.input, spec.mean, spec.std)
        return seen(view, x, engine.backbone(x[None]), engine.bank, one.own)

    def _advance(self, stage: str, done: int, total: int) -> None:
        if self.hooks.progress is not None:
            self.hooks.progress(stage, done, total)
        if self.hooks.cancelled is not None and self.hooks.cancelled():
            raise Cancelled(
                "patterns must not be cancelled before they are mined", "the request", "Start again."
            )


def _with_kinds(groups: Sequence[int], taken: Sequence[Taken]) -> dict[str, float | None]:
    """How groups agree with the kinds that people gave; nothing where there are not two."""
    named = [(group, one.kind) for group, one in zip(groups, taken, strict=True) if one.kind is not None]
    if len({kind for _, kind in named}) < 2:
        return {"nmi": None, "purity": None}
    return vars(agreement([group for group, _ in named], [kind for _, kind in named]))
