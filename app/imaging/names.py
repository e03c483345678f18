"""Names that clients give files: made fit to be shown and kept, and never a path to anything."""

from __future__ import annotations

import unicodedata

LONGEST = 180  # characters, so that sha256/name fits a column of 255


def shown_name(raw: str | None, default: str) -> str:
    """``raw`` as a plain relative name: no drive, root, ``..`` or control character, cut to its end; or ``default``."""
    text = unicodedata.normalize("NFC", (raw or "")[: 8 * LONGEST])
    text = "".join(
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(c)[0] in "CZ" and c != " " else c for c in text
    )
    parts = [part.strip() for part in text.replace("\\", "/").replace(":", "/").split("/")]
    name = "/".join(part for part in parts if part not in ("", ".", ".."))
    return name[-LONGEST:].lstrip("/ ") or default
