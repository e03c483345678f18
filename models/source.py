"""What runtimes are opened from: a backbone's module, which may have to be made, and what is known beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from models.memory import Memory
from models.quantise import Ranges


@dataclass(frozen=True, eq=False)
class Source:
    """load: makes the folded module in eval mode, which may be changed; not called where compiled networks suffice.

    ranges: that int8 needs. memory: of networks compiled before, and of what ``auto`` chose. precisions: those that
    ``auto`` may take, float32 first.
    """

    load: Callable[[], nn.Module]
    ranges: Ranges | None = None
    memory: Memory | None = None
    precisions: tuple[str, ...] = ("float32",)
