"""The way of a request: which functions of app, core and models it enters, on every thread (sys.setprofile)."""

from __future__ import annotations

import asyncio
import dis
import sys
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, TypeVar

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("app", "core", "models")
QUIET_SECONDS, LONGEST_SECONDS = 0.1, 60.0


@dataclass(frozen=True)
class Way:
    """The calls of each function per file: files by their paths in the repository, in the order of first entry.

    Functions are in the order in which their file defines them.
    """

    entered: dict[str, dict[str, int]] = field(default_factory=dict)

    @property
    def files(self) -> int:
        """How many files were entered."""
        return len(self.entered)

    @property
    def functions(self) -> int:
        """How many functions were entered."""
        return sum(map(len, self.entered.values()))

    @property
    def calls(self) -> int:
        """How many frames began."""
        return sum(sum(functions.values()) for functions in self.entered.values())

    def document(self) -> dict[str, Any]:
        """The way as JSON."""
        return {
            "files": self.files,
            "functions": self.functions,
            "calls": self.calls,
            "entered": [
                {"file": file, "functions": [{"name": name, "calls": n} for name, n in functions.items()]}
                for file, functions in self.entered.items()
            ],
        }


class Tracer:
    """Hears of every call on this thread and on those that start within ``tracing``."""

    def __init__(self) -> None:
        self._calls: list[CodeType] = []

    @contextmanager
    def tracing(self) -> Iterator[None]:
        """Open whatever is to be traced within: a thread that runs already is not heard."""
        own, others = sys.getprofile(), threading.getprofile()
        threading.setprofile(self._hear)
        sys.setprofile(self._hear)
        try:
            yield
        finally:
            sys.setprofile(own)
            threading.setprofile(others)  # type: ignore[arg-type]  # None is what it was

    async def way(self, send: Callable[[], Awaitable[T]]) -> tuple[T, Way]:
        """What ``send`` returns, and what was entered from rest to rest.

        Raises SystemExit where the process never comes to rest.
        """
        await self._rest()
        self._calls.clear()
        answer = await send()
        await self._rest()
        return answer, _way(self._calls)

    async def _rest(self) -> None:
        """Returns once no thread has entered anything for ``QUIET_SECONDS``."""
        end, before = time.monotonic() + LONGEST_SECONDS, -1
        while before != (before := len(self._calls)):
            if time.monotonic() > end:
                raise SystemExit(
                    f"the service must come to rest; it was still busy after {LONGEST_SECONDS:g} s"
                )
            await asyncio.sleep(QUIET_SECONDS)

    def _hear(self, frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event == "call" and _place(code.co_filename) and frame.f_lasti not in _resumptions(code):
            self._calls.append(code)


@cache
def _place(file: str) -> str:
    """A file by its path in the repository; empty for one that is not of the packages."""
    path = Path(file)
    if not path.is_relative_to(ROOT):
        return ""
    inside = path.relative_to(ROOT)
    return inside.as_posix() if inside.parts[0] in PACKAGES else ""


@cache
def _resumptions(code: CodeType) -> frozenset[int]:
    """Offsets where a coroutine or generator goes on after a wait: RESUME with another argument than 0."""
    found = dis.get_instructions(code)
    return frozenset(one.offset for one in found if one.opname == "RESUME" and one.arg)


def _way(calls: list[CodeType]) -> Way:
    found: dict[str, Counter[CodeType]] = {}
    for code in calls:
        found.setdefault(_place(code.co_filename), Counter())[code] += 1
    return Way({file: _by_name(counted) for file, counted in found.items()})


def _by_name(counted: Counter[CodeType]) -> dict[str, int]:
    names: Counter[str] = Counter()
    for code in sorted(counted, key=lambda code: (code.co_firstlineno, code.co_qualname)):
        names[code.co_qualname] += counted[code]
    return dict(names)
