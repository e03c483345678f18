"""What a key is given and held to: priority, guaranteed share, quotas of requests, bytes and requests at once.

One document in the key's row; what a key has not is left out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, get_args

from app.store.errors import IllegalValue
from app.store.schema import Priority

MOST_SHARE = 0.9  # of the time, that one bank or key may be guaranteed
MOST = 2**53 - 1  # of a quota, which JSON carries exactly


@dataclass(frozen=True)
class KeyLimits:
    """None is no limit. share: guaranteed part of decoding and inference, 0 to ``MOST_SHARE``; 0 is none."""

    priority: Priority | None = None
    share: float = 0.0
    requests_per_minute: int | None = None
    bytes_per_minute: int | None = None
    in_flight: int | None = None

    def __post_init__(self) -> None:
        """Raises ``IllegalValue``."""
        check_lane(self.priority, self.share)
        for name in QUOTAS:
            value = getattr(self, name)
            if value is not None and (type(value) is not int or not 0 < value <= MOST):
                raise _illegal(f"{name} must be a whole number above 0", value)

    @classmethod
    def of(cls, document: Mapping[str, Any] | None) -> KeyLimits:
        """Those of a key's row; what another release wrote beside them does not count."""
        return cls(**{name: value for name, value in (document or {}).items() if name in NAMES})

    def changed(self, change: Mapping[str, Any]) -> KeyLimits:
        """The same with what ``change`` names; None takes a limit back."""
        given = {name: 0.0 if name == "share" and value is None else value for name, value in change.items()}
        return KeyLimits(**asdict(self) | given)

    def document(self) -> dict[str, Any] | None:
        """For the row: only what the key has; None for nothing."""
        return {name: value for name, value in asdict(self).items() if value} or None

    @property
    def limits_requests(self) -> bool:
        """Whether there is a quota."""
        return any(getattr(self, name) is not None for name in QUOTAS)


NAMES = frozenset(field.name for field in fields(KeyLimits))
QUOTAS = ("requests_per_minute", "bytes_per_minute", "in_flight")


def check_lane(priority: object, share: object) -> None:
    """Raises ``IllegalValue`` for what is no priority or no share of a bank or a key."""
    if priority is not None and priority not in get_args(Priority):
        raise _illegal(f"a priority must be one of {', '.join(get_args(Priority))}", priority)
    if not isinstance(share, int | float) or not (math.isfinite(share) and 0 <= share <= MOST_SHARE):
        raise _illegal(f"a guaranteed share must be between 0 and {MOST_SHARE:g}", share)


def _illegal(requirement: str, value: object) -> IllegalValue:
    return IllegalValue(requirement, ascii(value)[:80], "Correct it, or leave it out.")


NO_LIMITS = KeyLimits()
