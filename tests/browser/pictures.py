"""Renew docs/pictures from build/screenshots: every picture that README or a guide names, made small.

``make pictures`` runs this after the browser tests, which take the screenshots. A picture has its screenshot's name.
"""

from __future__ import annotations

import re
import sys
from io import BytesIO
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
PICTURES, SCREENSHOTS = ROOT / "docs" / "pictures", ROOT / "build" / "screenshots"
DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
MOST_BYTES = 150_000
LEVELS = (64, 48, 32, 24)  # of the screenshot's 256: their steps are hardly seen, and pack far better


def named(documents: tuple[Path, ...] = DOCUMENTS) -> set[str]:
    """Names of the pictures that the documents show."""
    texts = (document.read_text(encoding="utf-8") for document in documents)
    return {
        name for text in texts for name in re.findall(r"!\[[^]]+\]\((?:docs/)?pictures/([\w-]+\.png)\)", text)
    }


def small(screenshot: Image.Image) -> bytes:
    """As PNG of at most MOST_BYTES, in as many levels a channel as fit. Raises ValueError where the fewest do not."""
    for levels in LEVELS:
        table = [round(round(value * (levels - 1) / 255) * 255 / (levels - 1)) for value in range(256)]
        out = BytesIO()
        screenshot.convert("RGB").point(table * 3).save(out, "PNG", optimize=True)
        if out.tell() <= MOST_BYTES:
            return out.getvalue()
    raise ValueError(f"A picture must fit into {MOST_BYTES:,} bytes; take it of a smaller window.")


def main() -> int:
    """0; 1 where a screenshot is missing, and then nothing is changed."""
    names = named()
    missing = sorted(name for name in names if not (SCREENSHOTS / name).is_file())
    if missing:
        print(f"No screenshot for {', '.join(missing)}: see the tests in tests/browser.", file=sys.stderr)
        return 1
    PICTURES.mkdir(exist_ok=True)
    for old in PICTURES.glob("*.png"):
        if old.name not in names:
            old.unlink()
    for name in sorted(names):
        with Image.open(SCREENSHOTS / name) as screenshot:
            (PICTURES / name).write_bytes(small(screenshot))
        print(f"{name}: {(PICTURES / name).stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
