"""``nominal``: build banks, inspect images, evaluate datasets, run and use the service. A thin layer over the engine.

A command's module is imported when the command is named: torch takes seconds that ``nominal remote`` need not wait.
"""

from __future__ import annotations

import gc
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

from app import __version__
from app.cli.console import plain, say, stderr
from app.errors import AppError

COMMANDS = {
    "screen": "Look a folder of good images over before a build: parts, copies, suspects, mixtures.",
    "advise": "Try sizes, scores, metrics, copies, fits and backbones on a part of the images; say what to take.",
    "build": "Learn a bank from a folder of good images, with its threshold.",
    "inspect": "Inspect images against a bank, and show where they differ.",
    "explain": "Explain an image's score: where it comes from, how faithful the method is, which channels carry it.",
    "patterns": "Mine patterns of defects (PatternNet): frequent in rejects, absent from good images.",
    "similar": "List the images of a folder whose worst places look most like those of an image, most similar first.",
    "eval": "Build a bank from a set's good images, inspect its test images, and print the metrics.",
    "show": "Show a bank. Loading it verifies its integrity; --check verifies its conformance.",
    "export": "Write a bank with its backbone as one file for other programs: OpenVINO or ONNX.",
    "weights": "List, fetch, import and export backbone weights.",
    "doctor": "Show versions, runtimes, available weights, threads and memory.",
    "serve": "Serve over HTTP. Settings come from NOMINAL_* variables.",
    "remote": "Use a Nominal server: banks, builds, inspections, health.",
    "keys": "Create, list, replace and revoke API keys in this machine's store.",
    "audit": "Prove the audit log of this machine's store.",
    "store": "Back up, restore, verify and heal everything the service keeps.",
}
"""What ``nominal --help`` says of each command."""
MODULES = {
    "build": "bank",
    "show": "bank",
    "eval": "evaluate",
    "audit": "keys",
}
"""Where a command is, if not in the module of its name."""


class Commands(TyperGroup):
    """Knows every command by its line of ``COMMANDS``, and imports the one that runs."""

    def __init__(self, *, commands: Any = None, **options: Any) -> None:
        known = {name: TyperCommand(name, help=line) for name, line in COMMANDS.items()}
        super().__init__(commands=known | (commands or {}), **options)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, _, rest = super().resolve_command(ctx, args)
        return name, None if name is None else command(name), rest

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:  # before typer makes an ordinary exit of it
            _interrupted()


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        say(f"nominal {__version__}")
        raise typer.Exit()


@app.callback()
def nominal(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Learns from good images what a good part looks like; scores new images and shows where they differ."""


@contextmanager
def imports_only() -> Iterator[None]:
    """A block without garbage: the collector, a sixth of the time, is off."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def command(name: str) -> Any:
    """A command with its options, imported."""
    with imports_only():
        import_module(f"app.cli.{MODULES.get(name, name)}")
    return typer.main.get_group(app).commands[name]


def main() -> None:
    """Entry point: every refusal is a plain message on standard error and exit status 1, never a traceback."""
    logging.getLogger("models").addHandler(logging.NullHandler())  # its notices are shown as notices
    try:
        app()
    except _refusals() as error:
        _refuse(type(error).__name__, str(error))
    except OSError as error:
        _refuse(
            type(error).__name__,
            f"The system must let a file be read or written; received {error}. {_REMEDY}",
        )
    except KeyboardInterrupt:
        _interrupted()


def _interrupted() -> NoReturn:
    """Ends with 130, as a shell reports a process that Ctrl-C ended.

    At once: Python aborts where a thread is still in torch's code while it takes itself down.
    """
    sys.stdout.flush()
    os._exit(130)


_REMEDY = "Check that the place is there, may be used and has room."


def _refusals() -> tuple[type[Exception], ...]:
    """Roots of what commands refuse with; asked for, and so imported, once something was raised."""
    from core.errors import CoreError
    from models.errors import ModelError
    from nominal_client.errors import ClientError

    return AppError, ClientError, CoreError, ModelError


def _refuse(kind: str, reason: str) -> NoReturn:
    stderr.print(f"[bold red]{kind}[/]: ", end="")
    stderr.print(plain(reason), highlight=False, soft_wrap=True)
    sys.exit(1)
