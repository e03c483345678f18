"""Patterns of defects: what is frequent in rejects and absent from nominal parts (PatternNet)."""

from core.patterns.agreement import Agreement, agreement, rand_index
from core.patterns.network import Mined, Pooled, mine, stability
from core.patterns.seen import INPUTS, Of, Seen, seen

__all__ = [
    "INPUTS",
    "Agreement",
    "Mined",
    "Of",
    "Pooled",
    "Seen",
    "agreement",
    "mine",
    "rand_index",
    "seen",
    "stability",
]
