"""Results as tables: models as rows, facts as lines, inspections with their decisions in colour."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.table import Column, Table
from rich.text import Text

from app.cli.console import notice, plain, print_json, stdout

if TYPE_CHECKING:
    from pydantic import BaseModel

Columns = Mapping[str, str | Callable[[Any], object]]
"""Heading -> an attribute's name, or what computes the value."""
COLOURS = {"accept": "green", "review": "yellow", "reject": "red", "refused": "red"}


def cell(value: object) -> Text:
    """A value as people read it; decisions in colour."""
    match value:
        case None | "":
            text = "-"
        case bool():
            text = "yes" if value else "no"
        case float():
            text = f"{value:.6g}"
        case datetime():
            text = f"{value:%Y-%m-%d %H:%M}"
        case dict():
            text = "\n".join(f"{name} {_inner(each)}" for name, each in value.items()) or "-"
        case list():
            text = "\n".join(map(_inner, value)) or "-"
        case _:
            text = str(value)
    found = plain(text)
    found.stylize(COLOURS.get(text, ""))
    return found


def _inner(value: object) -> str:
    return str(cell(value)).replace("\n", ", ")


def table(*columns: str) -> Table:
    """A table whose first column, mostly an id, is never wrapped, and whose others are never cut."""
    first, *others = columns
    return Table(Column(first, no_wrap=True), *(Column(name, overflow="fold") for name in others), box=None)


def print_rows(rows: Sequence[Any], columns: Columns) -> None:
    """A row for each; a column is an attribute's name, or computes its value."""
    shown, of = table(*columns), [attrgetter(c) if isinstance(c, str) else c for c in columns.values()]
    for row in rows:
        shown.add_row(*(cell(column(row)) for column in of))
    stdout.print(shown)


def print_list(name: str, found: Sequence[BaseModel], json_output: bool, columns: Columns) -> None:
    """Models as rows, or as one JSON object with the list ``name``."""
    if json_output:
        print_json({name: [each.model_dump(mode="json") for each in found]})
    else:
        print_rows(found, columns)


def print_facts(found: Mapping[str, Any]) -> None:
    """A line for each fact."""
    shown = Table(show_header=False, box=None)
    for name, value in found.items():
        shown.add_row(name.replace("_", " "), cell(value))
    stdout.print(shown, highlight=False)


def print_answers(
    about: dict[str, Any],
    answers: Sequence[dict[str, Any]],
    row: Callable[[dict[str, Any]], Sequence[object]],
    json_output: bool,
) -> None:
    """Each image's inspection, or why it was refused. Raises typer.Exit(1) if one was."""
    refused = [answer for answer in answers if "error" in answer]
    if json_output:
        print_json({**about, "inspections": answers})
    else:
        shown = table("image", "score", "threshold", "decision", "regions", "nearest nominal patch")
        for a in answers:
            values = ("-", "-", "refused", "-", "-") if "error" in a else row(a)
            shown.add_row(plain(Path(a["image"]).name), *map(cell, values))
        stdout.print(shown)
    for answer in refused:
        notice(f"{answer['image']}: {answer['error']}")
    if refused:
        raise typer.Exit(1)


def map_names(images: Sequence[Path]) -> list[str]:
    """How the files of each image's maps begin, no two alike: its stem, numbered where an earlier one has it."""
    names: dict[str, str] = {}
    for path in images:
        name, number = path.stem, 1
        while name.casefold() in names:  # some file systems do not distinguish A from a
            number += 1
            name = f"{path.stem}-{number}"
        names[name.casefold()] = name
    return list(names.values())
