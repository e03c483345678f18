"""A count and its noun."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Plural:
    """``one`` and ``many`` hold ``{n}``; called with a count it gives the one that fits, digits grouped."""

    one: str
    many: str

    def __call__(self, n: int) -> str:
        return (self.one if n == 1 else self.many).format(n=f"{n:,}")
