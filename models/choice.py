"""Which runtime and precision to take: what this machine has, timed here, near torch in float32."""

from __future__ import annotations

import copy
import json
import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from typing import Any

import torch
from torch import Tensor, nn

from models.errors import RuntimeUnavailable
from models.runtime import PRECISIONS, RUNTIMES, Runtime, is_native, open_runtime
from models.source import Source

log = logging.getLogger(__name__)

AUTO = "auto"
ALLOWED = {"float32": 1e-4, "bfloat16": 0.05, "float16": 0.01, "int8": 0.25}
"""Of each precision: the largest distance of features from those of torch in float32, relative to their length."""
PREFERRED = ("openvino", "torch", "torch-cuda")  # where their times are alike
LEAD = 0.9
"""A candidate passes those before it only with less than this share of their time: no coin is tossed."""
GAIN = 0.75
"""The same of one in another precision than float32, which changes scores."""
SIDE = 256  # pixels of the images that prove and time
ROUNDS, SECONDS = 9, 0.5  # turns of all candidates, and seconds for each, until either is reached


@dataclass(frozen=True, eq=False)
class Candidate:
    """A runtime in a precision. milliseconds: the fastest of a few single images; difference: as ``ALLOWED`` bounds.

    refused: why it cannot be taken, or None.
    """

    runtime: str
    precision: str
    milliseconds: float | None = None
    difference: float | None = None
    refused: str | None = None
    opened: Runtime | None = field(default=None, repr=False)

    def said(self) -> dict[str, Any]:
        """As plain JSON, without what is opened."""
        return {each.name: getattr(self, each.name) for each in fields(self) if each.name != "opened"}


def choose(
    source: Source, runtime: str, precision: str, threads: int | None
) -> tuple[Runtime, tuple[Candidate, ...]]:
    """Open the fastest fit runtime for a source; ``auto`` leaves open what is to be chosen.

    The source's memory keeps the choice, so that a machine chooses once, not by the load of the moment. Returns the
    runtime with everything that was considered. Raises RuntimeUnavailable.
    """
    if AUTO not in (runtime, precision):
        return open_runtime(source, runtime, precision, threads), ()
    name, memory = _choice(runtime, precision), source.memory
    if memory is not None and (kept := memory.read(name)) is not None:
        with suppress(
            RuntimeUnavailable, ValueError, TypeError
        ):  # it ran on what is gone, or is of other code
            first, *others = (Candidate(**each) for each in json.loads(kept))
            if precision == AUTO and first.precision not in source.precisions:
                raise ValueError("an earlier release chose a precision that costs accuracy")
            opened = open_runtime(source, first.runtime, first.precision, threads)
            return opened, (first, *others)
    log.info("measuring which runtime is fastest on this machine; the next start knows")
    runtimes = PREFERRED if runtime == AUTO else (runtime,)
    precisions = source.precisions if precision == AUTO else (precision,)
    considered = consider(source, runtimes, precisions, threads)
    fit = [candidate for candidate in considered if candidate.opened is not None]
    if not fit:  # say why, or take what is asked for in simulation
        exact = ("torch" if runtime == AUTO else runtime, "float32" if precision == AUTO else precision)
        return open_runtime(source, *exact, threads), tuple(considered)
    best = fastest(fit)
    assert best.opened is not None
    if memory is not None:
        ordered = [best, *(each for each in considered if each is not best)]
        memory.keep(name, json.dumps([each.said() for each in ordered]).encode())
    return best.opened, tuple(considered)


def forget_choices(source: Source) -> None:
    """Have all that ``auto`` has chosen measured again."""
    for precision in (AUTO, *PRECISIONS):
        for runtime in (AUTO, *RUNTIMES):
            if source.memory is not None:
                source.memory.forget(_choice(runtime, precision))


def _choice(runtime: str, precision: str) -> str:
    """The name under which it is kept."""
    return f"choice {runtime} {precision}"


def fastest(fit: Sequence[Candidate]) -> Candidate:
    """The first of some that were timed, unless one after it is clearly faster."""
    best = fit[0]
    for candidate in fit[1:]:
        assert best.milliseconds is not None
        assert candidate.milliseconds is not None
        lead = LEAD if candidate.precision == best.precision else GAIN
        if candidate.milliseconds < lead * best.milliseconds:
            best = candidate
    return best


def consider(
    source: Source,
    runtimes: tuple[str, ...] = PREFERRED,
    precisions: tuple[str, ...] = PRECISIONS,
    threads: int | None = None,
) -> list[Candidate]:
    """Each of these runtimes in each precision: opened, proved and timed, or refused with the reason."""
    module = source.load()
    source = replace(source, load=lambda: copy.deepcopy(module))
    exact = open_runtime(source, "torch", "float32", threads)
    images = proof_images()
    expected = exact(images)
    found = []
    for precision in precisions:
        for runtime in runtimes:
            known = exact if (runtime, precision) == ("torch", "float32") else None
            found.append(_proved(source, runtime, precision, threads, known, images, expected))
    fit = [candidate for candidate in found if candidate.opened is not None]
    times = dict(zip(fit, _in_turns([c.opened for c in fit if c.opened], images[:1]), strict=True))
    return [replace(each, milliseconds=times[each]) if each in times else each for each in found]


def proof_images() -> Tensor:
    """Two inputs (2, 3, 256, 256) with structure at every scale, about of mean 0 and deviation 1."""
    generator = torch.Generator().manual_seed(0)
    total = torch.zeros(2, 3, SIDE, SIDE)
    for cells in (4, 16, 64, 256):
        noise = torch.randn(2, 3, cells, cells, generator=generator)
        total += nn.functional.interpolate(noise, size=(SIDE, SIDE), mode="nearest") / 2
    return total


def _proved(
    source: Source,
    runtime: str,
    precision: str,
    threads: int | None,
    known: Runtime | None,
    images: Tensor,
    expected: list[Tensor],
) -> Candidate:
    if runtime in RUNTIMES and precision in PRECISIONS and not is_native(runtime, precision):
        reason = RUNTIMES[runtime].missing(precision) or "simulated on this processor, slowly"
        return Candidate(runtime, precision, refused=reason)
    try:
        opened = known or open_runtime(source, runtime, precision, threads)
    except RuntimeUnavailable as error:
        return Candidate(runtime, precision, refused=error.received)
    difference = _difference(opened(images), expected)
    if not difference <= ALLOWED[precision]:
        reason = f"features differ by {difference:.2%}, allowed are {ALLOWED[precision]:.2%}"
        return Candidate(runtime, precision, difference=difference, refused=reason)
    return Candidate(runtime, precision, difference=difference, opened=opened)


def _difference(found: list[Tensor], expected: list[Tensor]) -> float:
    """The largest of a layer, relative to the layer's length."""
    return max(float((f.cpu() - e).norm() / e.norm()) for f, e in zip(found, expected, strict=True))


def _in_turns(runtimes: Sequence[Runtime], image: Tensor) -> list[float]:
    """The fastest of a few single images of each, in milliseconds; what else runs here slows a turn of all alike."""
    best = [float("inf")] * len(runtimes)
    for opened in runtimes:
        opened(image)  # warm at this batch
    ends = time.perf_counter() + SECONDS * len(runtimes)
    for turn in range(ROUNDS):
        if turn and time.perf_counter() > ends:
            break
        for i, opened in enumerate(runtimes):
            started = time.perf_counter()
            _ = [m.cpu() for m in opened(image)]  # a device works on after the call
            best[i] = min(best[i], 1e3 * (time.perf_counter() - started))
    return best
