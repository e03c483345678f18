"""A contender's process, seen from outside: given tasks, asked for answers."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[2]


class Process:
    """One worker with its own interpreter; a context manager that ends it. Its errors go to ``log``."""

    def __init__(self, command: Sequence[str], threads: int, log: Path) -> None:
        self._name, self._log = " ".join(command[1:3]), log
        environment = os.environ | {"OMP_NUM_THREADS": str(threads), "PYTHONPATH": str(ROOT)}
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                [*command, "--threads", str(threads)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=ROOT,
                env=environment,
                text=True,
            )

    def ask(self, do: str, images: Sequence[Path], **more: int) -> Any:
        """The answer to one task. Raises SystemExit with the end of the log where the worker died."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        task = {"do": do, "images": [str(image) for image in images], **more}
        try:
            self._process.stdin.write(json.dumps(task) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it died before; the empty answer says so
        if not (answer := self._process.stdout.readline()):
            said = self._log.read_text(errors="replace")[-3000:]
            raise SystemExit(f"{self._name} ended during {do}; it said:\n{said}")
        return json.loads(answer)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()
