"""What the command line shows: progress bars and notices on standard error, results on standard output."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
from rich.text import Text

if TYPE_CHECKING:  # torch takes seconds to import; a refusal of the command line need not wait for it
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
    "calibration": "Calibrating, leaving each image out",
}


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
