"""What the processor can do, as Linux reports it."""

from __future__ import annotations

import functools
from pathlib import Path

INTEGER_PRODUCTS = frozenset({"avx512_vnni", "avx_vnni", "amx_int8"})
"""Any of them multiplies and sums eight-bit integers without overflow; older instructions saturate."""

BFLOAT16_PRODUCTS = frozenset({"avx512_bf16", "amx_bf16"})
"""Any of them multiplies bfloat16."""

NOTED = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_bf16", "amx_int8")
"""Features that inference gains from, in the order people read them."""


def noted() -> tuple[str, ...]:
    """Those of ``NOTED`` that it has."""
    return tuple(name for name in NOTED if name in features())


def features() -> frozenset[str]:
    """The names of its features; none where the system does not report them."""
    return frozenset(_reported("flags").split())


def model_name() -> str:
    """What its maker calls it; empty where the system does not report it."""
    return _reported("model name")


@functools.cache
def _reported(name: str) -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")
