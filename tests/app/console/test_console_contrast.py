"""The console's table of colours: text stands out from what it lies on (WCAG 2.2, contrast 4.5 to 1)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import app.console

STYLE = Path(app.console.__file__).parent / "static" / "console.css"
COLOURS = {
    name: (light, dark)
    for name, light, dark in re.findall(
        r"--n-([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)", STYLE.read_text()
    )
}
GROUNDS = ("page", "surface", "raised", "sunken")
PAIRS = [
    *(
        (ink, ground)
        for ink in ("text", "muted", "accent", "accept", "review", "reject")
        for ground in GROUNDS
    ),
    *((ink, f"{ink}-soft") for ink in ("accent", "accept", "review", "reject")),
    ("accent-ink", "accent"),
]


@pytest.mark.parametrize("appearance", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("ink", "ground"), PAIRS, ids=lambda name: name)
def test_text_stands_out_from_its_ground(ink: str, ground: str, appearance: int) -> None:
    found = contrast(COLOURS[ink][appearance], COLOURS[ground][appearance])
    assert found >= 4.5, f"{ink} on {ground}: {found:.2f}"


def contrast(one: str, other: str) -> float:
    """From 1, the same, to 21, black on white."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    """Relative luminance of ``#rrggbb`` in [0, 1]."""
    red, green, blue = (linear(int(colour[i : i + 2], 16) / 255) for i in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def linear(value: float) -> float:
    """A channel of sRGB without its gamma."""
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
