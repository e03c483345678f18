"""What commands and a server's start leave out: the console where it is not used, the collector, clusters."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from app.cli import imports_only


def ended(code: str) -> str:
    """What a process of its own prints."""
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_commands_do_not_import_nicegui() -> None:
    assert ended("import sys, app.cli, app.cli.serve; print('nicegui' in sys.modules)") == "False"


def test_a_server_imports_nothing_that_only_a_screening_needs() -> None:
    code = "import sys, app.cli.serve, app.console.mount; print('scipy.cluster' in sys.modules)"
    assert ended(code) == "False"


def test_a_command_is_imported_without_the_collector_which_then_runs_again() -> None:
    code = (
        "import gc; from app.cli import command; found = []; "
        "gc.callbacks.append(lambda phase, info: found.append(phase)); command('show'); "
        "print(len(found) <= 2, gc.isenabled())"  # it may start and stop once, right after
    )
    assert ended(code) == "True True"


def test_the_collector_is_on_again_after_an_import_that_failed() -> None:
    with pytest.raises(ImportError), imports_only():
        raise ImportError
    assert gc.isenabled()
