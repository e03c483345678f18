"""Make ``import torchvision`` work beside a torch that its wheel was not built for, a CPU-only one above all.

The wheel's C++ operators then do not load, and torchvision fails on import because it describes two of them
that nobody declared. Declaring their schemas is enough: no backbone calls them.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import torch

_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


@cache
def ensure_torchvision() -> None:
    """Declare the two schemas unless torchvision's own operators load. Call before importing torchvision."""
    if _operators_load() or hasattr(torch.ops.torchvision, "nms"):
        return
    for name in ("nms", "qnms"):
        torch.library.define(f"torchvision::{name}", _SCHEMA)  # torch keeps the declaring library alive


def _operators_load() -> bool:
    spec = find_spec("torchvision")
    if spec is None or spec.origin is None:
        return False
    for file in Path(spec.origin).parent.glob("_C.*"):
        try:
            torch.ops.load_library(str(file))  # type: ignore[no-untyped-call]
        except OSError:
            return False
        return True
    return False
