"""Matrix products of smaller types, and whether this processor makes them faster than those of float32."""

from __future__ import annotations

import functools
import time
from typing import Any

import torch

_TURNS = 20  # of each type, some milliseconds in all where one of them is quick
_SECONDS = 0.3  # after which no turn is begun
_LEADS = {torch.bfloat16: 0.9, torch.int8: 0.5}  # taken only with less than this share of float32's time
_int_mm: Any = torch._int_mm


@functools.cache
def multiplies_faster(type_: torch.dtype) -> bool:
    """Bfloat16 or int8; timed once for a process. False where torch has no such product here.

    By the best of many turns, taken by turns: what else runs here may slow most of either, not all of one.
    """
    types = torch.float32, type_
    try:
        for each in types:  # the first of each prepares what later ones find
            _seconds(each)
    except RuntimeError:
        return False
    best, ends = dict.fromkeys(types, float("inf")), time.perf_counter() + _SECONDS
    for turn in range(_TURNS):
        if turn and time.perf_counter() > ends:
            break
        for each in types:
            best[each] = min(best[each], _seconds(each))
    return best[type_] < _LEADS[type_] * best[torch.float32]


def _seconds(type_: torch.dtype) -> float:
    left, right = torch.ones(256, 256, dtype=type_), torch.ones(1024, 256, dtype=type_)
    started = time.perf_counter()
    (_int_mm if type_ is torch.int8 else torch.mm)(left, right.T)
    return time.perf_counter() - started
