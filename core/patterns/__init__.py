"""Patterns of defects: what is frequent in rejects and absent from nominal parts (PatternNet)."""

from core.patterns.agreement import Agreement, agreement, rand_index
from core.patterns.network import Mined, Pooled, mine, pooled_of, stability

__all__ = ["Agreement", "Mined", "Pooled", "agreement", "mine", "pooled_of", "rand_index", "stability"]
