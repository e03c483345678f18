"""Does this processor multiply bfloat16 faster than float32? Timed once for a process."""

from __future__ import annotations

import functools
import time

import torch

_TURNS = 20  # of each type, some milliseconds in all where one of them is quick
_SECONDS = 0.3  # after which no turn is begun
_LEAD = 0.9  # bfloat16 is taken only with less than this share of float32's time


@functools.cache
def bfloat16_is_faster() -> bool:
    """By the best of many turns, taken by turns: what else runs here may slow most of either, not all of one."""
    types = torch.float32, torch.bfloat16
    for type_ in types:  # the first of each prepares what later ones find
        _seconds(type_)
    best, ends = dict.fromkeys(types, float("inf")), time.perf_counter() + _SECONDS
    for turn in range(_TURNS):
        if turn and time.perf_counter() > ends:
            break
        for type_ in types:
            best[type_] = min(best[type_], _seconds(type_))
    return best[torch.bfloat16] < _LEAD * best[torch.float32]


def _seconds(type_: torch.dtype) -> float:
    left, right = torch.ones(256, 256, dtype=type_), torch.ones(1024, 256, dtype=type_)
    started = time.perf_counter()
    torch.mm(left, right.T)
    return time.perf_counter() - started
