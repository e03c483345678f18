"""Examples of a guide in markdown, run as they stand: ```console run and ```python run, with the output they show."""

from __future__ import annotations

import contextlib
import io
import re
import subprocess
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FENCE = re.compile(r"^```(console run|python run|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BETWEEN = "---8<---"


@dataclass(frozen=True)
class Example:
    """A block to run, and the output that the guide shows: of each command, or of the whole Python block."""

    line: int
    kind: str
    code: list[str]
    shown: list[str | None]


def examples(text: str) -> list[Example]:
    """In their order; a text block is the output of the Python block before it."""
    found: list[Example] = []
    for match in FENCE.finditer(text):
        line, kind, body = text[: match.start()].count("\n") + 1, match[1], match[2]
        if kind == "text":
            assert found[-1].kind == "python run", f"line {line}: the output of nothing"
            found[-1].shown[:] = [body]
        elif kind == "python run":
            found.append(Example(line, kind, [body], [None]))
        else:
            commands = re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]
            split = [_command_and_output(command) for command in commands]
            found.append(Example(line, kind, [c for c, _ in split], [shown or None for _, shown in split]))
    return found


def run(example: Example, folder: Path, environment: Mapping[str, str], names: dict[str, Any]) -> list[str]:
    """The outputs. A failing command or an exception fails the test that runs it, with the guide's line."""
    if example.kind == "console run":
        return _run_console(example, folder, environment)
    printed = io.StringIO()
    code = compile("\n" * example.line + example.code[0], "the guide", "exec")
    with contextlib.chdir(folder), contextlib.redirect_stdout(printed):
        try:
            exec(code, names)
        except Exception:
            raise AssertionError(f"line {example.line}:\n{traceback.format_exc()}") from None
    return [printed.getvalue()]


def agrees(shown: str, said: str) -> bool:
    """Whether an output is what the guide shows, where ``...`` stands for anything."""
    pattern = ".*".join(re.escape(part) for part in shown.strip().split("..."))
    return re.fullmatch(pattern, said.strip(), re.DOTALL) is not None


def _command_and_output(text: str) -> tuple[str, str]:
    command = re.match(r"(?:.*\\\n)*.*\n", text)
    assert command is not None
    return command[0], text[command.end() :]


def _run_console(example: Example, folder: Path, environment: Mapping[str, str]) -> list[str]:
    script = f"\necho; echo '{BETWEEN}'\n".join(example.code)
    ended = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=dict(environment),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 0, (
        f"line {example.line}: status {ended.returncode}\n{ended.stdout}\n{ended.stderr}"
    )
    return ended.stdout.split(f"\n{BETWEEN}\n")
