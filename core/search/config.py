"""Which search a bank uses, and its effort: one frozen table with ranges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from core.errors import ConfigError

Kind = Literal["flat", "hnsw", "ivfpq"]
_RANGES = {
    "links": (4, 128),
    "build_effort": (8, 2000),
    "effort": (1, 10_000),
    "lists": (0, 65_536),
    "probes": (1, 65_536),
    "code_bytes": (1, 256),
    "rerank": (1, 1000),
}


@dataclass(frozen=True)
class IndexConfig:
    """How the nearest bank vectors are found.

    kind: ``flat`` is exact; ``hnsw`` (Malkov and Yashunin 2018) and ``ivfpq`` (Jegou et al. 2011) are
    approximate, for large banks, and record their recall.
    HNSW: links a vector keeps (twice as many on the lowest level); build_effort and effort, the candidates
    held while building and while searching. IVF-PQ: lists (0: the root of the bank's size); probes, the lists
    a query looks into; code_bytes a vector at most; rerank, the candidates measured exactly.
    """

    kind: str = "flat"  # one of Kind; a str, because bank files and command lines bring any
    links: int = 32
    build_effort: int = 200
    effort: int = 128
    lists: int = 0
    probes: int = 16
    code_bytes: int = 64
    rerank: int = 16

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ConfigError(
                requirement=f"index kind must be one of {', '.join(get_args(Kind))}",
                received=repr(self.kind),
                remedy="choose flat, which is exact",
            )
        for name, (low, high) in _RANGES.items():
            if not low <= getattr(self, name) <= high:
                raise ConfigError(
                    requirement=f"index {name} must be from {low} to {high}",
                    received=str(getattr(self, name)),
                    remedy=f"leave it out for {IndexConfig.__dataclass_fields__[name].default}",
                )
