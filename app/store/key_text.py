"""The text of an API key: made, taken apart into its id and the digest of its secret.

A key reads ``nominal_<id>_<secret>``. The secret has 256 bits of chance, so a plain sha256 is the right
digest: a slow password hash defends guessable secrets, which this is not, and would cost every request
its time. The id is public; it finds the row, so that only one digest is compared, and an unknown id is
compared with a digest nothing has.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import NoReturn

from app.store.errors import IllegalValue

FORM = re.compile(r"nominal_([0-9a-f]{12})_([A-Za-z0-9_-]{40,128})")


def new_text() -> str:
    """A key that nobody has."""
    return f"nominal_{secrets.token_hex(6)}_{secrets.token_urlsafe(32)}"


def parts_of(text: str) -> tuple[str, str] | None:
    """(id, digest of the secret), or None for text that is not a key."""
    match = FORM.fullmatch(text)
    return (match[1], hashlib.sha256(match[2].encode()).hexdigest()) if match else None


def illegal() -> NoReturn:
    """Raises ``IllegalValue`` for a text that is not a key."""
    raise IllegalValue(
        requirement="an admitted key must read nominal_<12 hex digits>_<40 or more of A-Za-z0-9_->",
        received="something else",
        remedy="Make one with 'nominal keys create'; a keys file holds 'role name key' lines.",
    )
