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


@functools.cache
def features() -> frozenset[str]:
    """The names of its features; none where the system does not report them."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return frozenset()
    return frozenset(next((line.split() for line in lines if line.startswith("flags")), []))
