"""``nominal doctor``: what this machine offers, for a person and for a support request."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import psutil

from app import __version__
from app.cli import app
from app.cli.console import Json, print_json, say, stdout
from app.ops.process import available_cores, own_cores
from models.backbone import compare_runtimes
from models.choice import Candidate
from models.processor import noted
from models.weights import list_weights

PACKAGES = ("torch", "torchvision", "faiss-cpu", "numpy", "timm", "pillow", "openvino", "fastapi")


@app.command()
def doctor(json_output: Json = False) -> None:
    """Show versions, runtimes, available weights, threads and memory."""
    found = examine()
    if json_output:
        print_json(found)
        return
    for section, values in found.items():
        stdout.print(f"[bold]{section}[/]")
        for name, value in values.items():
            say(f"  {name:<22} {value}")


def examine() -> dict[str, dict[str, Any]]:
    """The findings, section by section; never tries the network."""
    memory, threads = psutil.virtual_memory(), own_cores()
    return {
        "versions": {"nominal": __version__, "python": platform.python_version()}
        | {name: _installed(name) or "not installed" for name in PACKAGES},
        "processor": {
            "machine": platform.machine(),
            "cores": psutil.cpu_count(logical=False) or psutil.cpu_count() or 1,
            "cores_to_use": available_cores(),
            "threads": threads,
            "features": " ".join(noted()) or "none known",
        },
        "memory_mb": {"total": memory.total >> 20, "available": memory.available >> 20},
        "runtimes": _runtimes(threads),
        "weights": {w.name: f"{w.status}: {w.detail or w.source}" for w in list_weights()},
    }


def _runtimes(threads: int) -> dict[str, str]:
    """Every runtime in every precision, timed on one image of 256 pixels and compared with torch in float32."""
    name, candidates = compare_runtimes(threads=threads)
    return {"measured with": name} | {f"{c.runtime} {c.precision}": _verdict(c) for c in candidates}


def _verdict(candidate: Candidate) -> str:
    if candidate.milliseconds is None or candidate.difference is None:
        return f"not offered: {candidate.refused}"
    return f"{candidate.milliseconds:.1f} ms, features differ by {candidate.difference:.3%}"


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
