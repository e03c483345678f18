"""What the command line shows: progress bars and notices on standard error; results and tables on standard output."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Column, Table
from rich.text import Text

from nominal_client.litter import LeftOut, sentences

if TYPE_CHECKING:  # torch takes seconds to import; a refusal of the command line need not wait for it
    from pydantic import BaseModel

    from core.build import Progress as BuildProgress

stderr = Console(stderr=True)
stdout = Console() if Console().is_terminal else Console(width=10_000)  # a pipe or file takes lines whole

Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on standard output and nothing else.")
]

STAGES = {
    "features": "Reading features",
    "coreset": "Choosing the coreset",
    "index": "Building the index",
    "calibration": "Calibrating, leaving each part out",
}
Columns = Mapping[str, str | Callable[[Any], object]]
"""Heading -> an attribute's name, or what computes the value."""
NAMED = 10  # lines of one list
MIXTURES = {"sizes": "Sizes", "aspects": "Aspect ratios", "colours": "Colours", "products": "Products"}
COLOURS = {"accept": "green", "review": "yellow", "reject": "red", "refused": "red"}


def plain(text: object) -> Text:
    """Text as it is: its brackets are not markup, its control characters not commands to the terminal."""
    return Text("".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in str(text)))


def say(text: object) -> None:
    """One line of a result, on standard output."""
    stdout.print(plain(text), highlight=False, soft_wrap=True)


def notice(text: str) -> None:
    """A sentence the user must see, on standard error."""
    stderr.print(plain(text), style="yellow", highlight=False, soft_wrap=True)


def print_json(value: dict[str, Any]) -> None:
    """The one JSON object of a command run with --json."""
    json.dump(value, sys.stdout, allow_nan=False)
    sys.stdout.write("\n")


@contextmanager
def build_progress() -> Iterator[BuildProgress]:
    """Progress bars of a build's stages, shown while the block runs."""
    with _bars() as bars:
        tasks: dict[str, Any] = {}

        def show(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(STAGES.get(stage, stage), total=total)
            bars.update(tasks[stage], completed=done, total=total)

        yield show


@contextmanager
def counting(label: str, total: int) -> Iterator[Any]:
    """One bar; call what is yielded once for each thing done."""
    with _bars() as bars:
        task = bars.add_task(label, total=total)
        yield lambda: bars.advance(task)


@contextmanager
def transferring(label: str) -> Iterator[Callable[[int, int], None]]:
    """One bar of bytes; call what is yielded with those done and those in all."""
    with _bars(DownloadColumn()) as bars:
        task = bars.add_task(label, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


def _bars(amount: ProgressColumn | None = None) -> Progress:
    return Progress(
        TextColumn("{task.description:<36}"),
        BarColumn(),
        amount or MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=stderr,
    )


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
    """Each image's inspection, or why it was refused. Raises typer.Exit(1) if one has an error."""
    refused = [answer for answer in answers if "error" in answer]
    if json_output:
        print_json({**about, "inspections": answers})
    else:
        shown = table("image", "score", "threshold", "decision", "regions", "nearest nominal patch")
        for a in answers:
            values = row(a) if "score" in a else ("-", "-", "refused", "-", "-")
            shown.add_row(plain(Path(a["image"]).name), *map(cell, values))
        stdout.print(shown)
    for answer in refused:
        notice(f"{answer['image']}: {answer['error']}")
    if refused:
        raise typer.Exit(1)


_LONGEST_STEM = 200  # bytes of the 255 that a file's name may have


def map_names(images: Sequence[Path]) -> list[str]:
    """How the files of each image's maps begin, no two alike: its stem, numbered where an earlier one has it.

    A stem too long to have a suffix added is cut.
    """
    names: dict[str, str] = {}
    for path in images:
        stem = os.fsdecode(os.fsencode(path.stem)[:_LONGEST_STEM])
        name, number = stem, 1
        while name.casefold() in names:  # some file systems do not distinguish A from a
            number += 1
            name = f"{stem}-{number}"
        names[name.casefold()] = name
    return list(names.values())


def print_screening(found: dict[str, Any]) -> None:
    """A screening's document in the terminal, its longer lists cut."""
    for sentence in found["says"]:
        say(sentence)
    say("\nSuspects, the worst first; look at each, nothing was removed:")
    shown = table("image", "doubt", "score", "outlier", "looks worst at")
    for each in found["suspects"]:
        values = (f"{each['doubt']:.2f}", each["score"], each["outlier"], f"{each['x']}, {each['y']}")
        shown.add_row(plain(each["image"]), *map(cell, values))
    stdout.print(shown)
    _listed("Exact copies", [" = ".join(names) for names in found["duplicates"]])
    _listed("Parts with several photographs", [", ".join(names) for names in found["near_duplicates"]])
    for what, heading in MIXTURES.items():
        _listed(heading, [_kind(kind) for kind in found[what]] if len(found[what]) > 1 else [])
    _listed("Unused bits", [_kind(kind) for kind in found["unused_bits"]])
    _listed("Cannot be read", [each["reason"] for each in found["unreadable"]])
    for sentence in sentences(LeftOut(e["name"], e["reason"], e.get("files", 1)) for e in found["left_out"]):
        say(f"\n{sentence}")


def _kind(kind: dict[str, Any]) -> str:
    some, count = ", ".join(kind["images"][:3]), len(kind["images"])
    return f"{count:,} {kind['what']}: {some}{', …' * (count > 3)}"


def _listed(heading: str, lines: list[str]) -> None:
    """The first lines of a list, and how many more there are; nothing for none."""
    if lines:
        say(f"\n{heading}: {len(lines):,}")
    for line in lines[:NAMED]:
        say(f"  {line}")
    if len(lines) > NAMED:
        say(f"  and {len(lines) - NAMED:,} more, which --json and --html show")
