"""``nominal``: build banks, inspect images, evaluate datasets, look after weights. A thin layer over the engine."""

from __future__ import annotations

import logging
import sys
from typing import NoReturn

import typer

from app.cli.console import plain, stderr
from app.client.errors import ClientError
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
    logging.getLogger("models").addHandler(logging.NullHandler())  # its notices are shown as notices
    try:
        # each registers its command
        from app.cli import (  # noqa: F401
            build,
            doctor,
            evaluate,
            inspect,
            keys,
            remote,
            serve,
            show,
            store,
            weights,
        )

        app()
    except (AppError, ClientError, CoreError, ModelError) as error:
        _refuse(type(error).__name__, str(error))
    except OSError as error:
        _refuse(
            type(error).__name__,
            f"The system must let a file be read or written; received {error}. {_REMEDY}",
        )
    except KeyboardInterrupt:
        sys.exit(130)  # as a shell reports a process that Ctrl-C ended


_REMEDY = "Check that the place is there, may be used and has room."


def _refuse(kind: str, reason: str) -> NoReturn:
    stderr.print(f"[bold red]{kind}[/]: ", end="")
    stderr.print(plain(reason), highlight=False, soft_wrap=True)
    sys.exit(1)
