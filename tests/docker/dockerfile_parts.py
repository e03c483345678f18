"""The Dockerfile as a list of instructions, and its build stage replayed in a folder where no container engine runs."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Instruction:
    """One instruction: its keyword in capitals, its --flags, and the rest, continuation lines joined."""

    stage: int  # 0 for those before the second FROM, and so on; -1 before the first
    keyword: str
    flags: dict[str, str]
    text: str


def instructions(file: Path = ROOT / "Dockerfile") -> list[Instruction]:
    """Comments dropped; in order."""
    lines = [
        line for line in file.read_text(encoding="utf-8").splitlines() if not line.lstrip().startswith("#")
    ]
    joined = re.sub(r"\\\n", " ", "\n".join(lines))
    found: list[Instruction] = []
    stage = -1
    for line in filter(None, map(str.strip, joined.splitlines())):
        keyword, _, rest = line.partition(" ")
        flags, text = _flags(rest.strip())
        stage += keyword.upper() == "FROM"
        found.append(Instruction(stage, keyword.upper(), flags, text))
    return found


def of(keyword: str, stage: int | None = None) -> list[Instruction]:
    """Those of one keyword, of one stage or of all; -1 is before the first, and a stage counts from 0."""
    return [each for each in instructions() if each.keyword == keyword and stage in (None, each.stage)]


def _flags(text: str) -> tuple[dict[str, str], str]:
    flags = {}
    while match := re.match(r"--([a-z-]+)=(\S+)\s+", text):
        flags[match[1]] = match[2]
        text = text[match.end() :]
    return flags, text


def replay(folder: Path, **arguments: str) -> Path:
    """Carry out the build stage below ``folder`` in place of /; the virtual environment it makes.

    ``arguments`` stand for --build-arg. Raises CalledProcessError with the step that failed.
    """
    values = dict(os.environ)
    values.pop("VIRTUAL_ENV", None)
    place = folder
    for step in (each for each in instructions() if each.stage == 0):
        text = step.text.replace("/opt/nominal", f"{folder}/opt/nominal")
        if step.keyword == "ARG":
            name, _, default = text.partition("=")
            values[name] = arguments.get(name, default)
        elif step.keyword == "ENV":
            name, _, value = text.partition("=")
            values[name] = value.replace("$PATH", values["PATH"])
        elif step.keyword == "WORKDIR":
            place = folder / text.lstrip("/")
            place.mkdir(parents=True)
        elif step.keyword == "COPY":
            _copy(shlex.split(text), place)
        elif step.keyword == "RUN":
            subprocess.run(["sh", "-c", text], cwd=place, env=values, check=True)
    return folder / "opt/nominal"


def _copy(words: list[str], place: Path) -> None:
    *sources, target = words
    for source in sources:
        here = ROOT / source
        if here.is_dir():
            shutil.copytree(here, place / target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(here, place / target)
