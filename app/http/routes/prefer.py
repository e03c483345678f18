"""How long a caller will wait: ``Prefer: wait=2`` (seconds; RFC 7240) or ``Prefer: respond-within=150ms``."""

from __future__ import annotations

import re
import time

from app.errors import FieldInvalid

WAIT = re.compile(
    r"(?:^|[,;\s])(wait|respond-within)\s*=\s*\"?([0-9]+(?:\.[0-9]+)?)(ms|s)?\"?(?=$|[,;\s])", re.I
)
ASKS = re.compile(r"(?:^|[,;\s])(wait|respond-within)\s*(=|$|[,;])", re.I)


def deadline(prefer: str | None, most_seconds: float) -> float:
    """When the answer must be there, monotonic; ``most_seconds`` from now at the latest. Raises FieldInvalid."""
    now = time.monotonic()
    found = WAIT.search(prefer or "")
    if found is None:
        if ASKS.search(prefer or ""):
            raise _unreadable(prefer or "")
        return now + most_seconds
    seconds = float(found[2]) / (1000 if (found[3] or "").lower() == "ms" else 1)
    return now + min(seconds, most_seconds)


def applied(prefer: str | None) -> dict[str, str]:
    """The header that says the preference counted."""
    found = WAIT.search(prefer or "")
    return {"Preference-Applied": f"{found[1].lower()}={found[2]}{found[3] or ''}"} if found else {}


def _unreadable(prefer: str) -> FieldInvalid:
    return FieldInvalid(
        requirement="a Prefer header's wait or respond-within must be a number of seconds, or of milliseconds with ms",
        received=ascii(prefer[:80]),
        remedy="Send 'Prefer: respond-within=150ms' or 'Prefer: wait=2'.",
    )
