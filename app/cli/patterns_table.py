"""Mined patterns as people read them in a terminal, from a folder or from a server."""

from __future__ import annotations

from app.cli.console import Columns, print_rows, say
from nominal_client.answers import patterns as schema

FIGURES = ("separation", "stability", "nmi", "purity")
COLUMNS: Columns = {
    "rejects": "rejects",
    "in rejects": lambda each: f"{each.frequency:.0%}",
    "in nominal": lambda each: f"{each.in_nominal:.0%}",
    "example": lambda each: each.examples[0].name,
    "x": lambda each: each.examples[0].x,
    "y": lambda each: each.examples[0].y,
}


def print_patterns(found: schema.Patterns) -> None:
    """A row per pattern, and where it is on the image that shows it best; then how stable all are."""
    for mined in found.minings:
        print_rows(mined.patterns, COLUMNS)
        figures = {name: getattr(mined, name) for name in FIGURES}
        said = ", ".join(f"{name} {value:.3f}" for name, value in figures.items() if value is not None)
        say(f"{mined.of}: {said}")
