"""Words of the field that many pages use: decisions, states, units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from app.console.text.plural import Plural


def _frozen(**words: str) -> Mapping[str, str]:
    return MappingProxyType(words)


@dataclass(frozen=True)
class Words:
    """English."""

    decisions: Mapping[str, str] = field(
        default_factory=lambda: _frozen(accept="Accept", review="Review", reject="Reject")
    )
    images: Plural = Plural("{n} image", "{n} images")
    never: str = "never"
    now: str = "just now"
    minutes_ago: Plural = Plural("{n} minute ago", "{n} minutes ago")
    hours_ago: Plural = Plural("{n} hour ago", "{n} hours ago")
    days_ago: Plural = Plural("{n} day ago", "{n} days ago")
    seconds: str = "{n} s"
    minutes: str = "{m} min {s} s"
    hours: str = "{h} h {m} min"


WORDS = Words()
