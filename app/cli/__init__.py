"""``nominal``: build banks, inspect images, evaluate datasets, look after weights. A thin layer over the engine."""

from __future__ import annotations

import sys

import typer

from app.cli.console import stderr
from app.errors import AppError
from core.errors import CoreError
from models.errors import ModelError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Learns what a good part looks like from good images alone; scores new images and shows where they differ.",
)


def main() -> None:
    """Entry point: every refusal is a plain message on standard error and exit status 1, never a traceback."""
    from app.cli import build, doctor, evaluate, inspect, show, weights  # noqa: F401  # each registers its command

    try:
        app()
    except (AppError, CoreError, ModelError) as error:
        stderr.print(f"[bold red]{type(error).__name__}[/]: ", end="")
        stderr.print(str(error), markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)
    except OSError as error:
        stderr.print(f"{type(error).__name__}: {error}", style="bold red", markup=False, highlight=False)
        sys.exit(1)
