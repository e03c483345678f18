"""Markdown tables, and the part of a page between two markers that a bench owns."""

from __future__ import annotations

import platform
import re
from collections.abc import Sequence
from pathlib import Path

import psutil

DOCS = Path(__file__).resolve().parents[1] / "docs"
ACCURACY, PERFORMANCE = DOCS / "accuracy.md", DOCS / "performance.md"
FEATURES = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def replace_section(name: str, content: str, file: Path) -> None:
    """Put ``content`` between ``<!-- name:start -->`` and ``<!-- name:end -->`` of a file that has both."""
    text = file.read_text(encoding="utf-8")
    marks = re.compile(rf"(<!-- {name}:start -->\n).*?(<!-- {name}:end -->)", re.DOTALL)
    if not marks.search(text):
        raise SystemExit(f"{file.name} must hold the markers {name}:start and {name}:end; add them")
    file.write_text(marks.sub(lambda m: m.group(1) + content + "\n" + m.group(2), text), encoding="utf-8")


def machine() -> str:
    """The machine in words: processor, cores, memory, the features that matter here and those of them it lacks."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(errors="replace").splitlines() if info.exists() else []
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    fields = {key.strip(): value.strip() for key, value in fields.items()}
    flags = set(fields.get("flags", "").split())
    present = " ".join(f for f in FEATURES if f in flags) or "no vector features known"
    absent = " ".join(f for f in FEATURES if f not in flags)
    memory = psutil.virtual_memory().total / 2**30
    name = fields.get("model name", platform.processor() or platform.machine())
    return f"{name}, {psutil.cpu_count()} cores, {memory:.0f} GB, {present}" + f" (not {absent})" * bool(
        absent
    )
