"""What serves: releases and licences of what computes, the backbone, the processor."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata

from app import __version__
from app.lifecycle.service import Service
from app.ops.threads import available_cores
from models.processor import noted

DISTRIBUTION = "nominal-inspection"
PACKAGES = (
    "torch", "torchvision", "faiss-cpu", "openvino", "numpy", "scipy", "pillow", "fastapi", "uvicorn", "sqlalchemy",
    "nicegui",
)  # fmt: skip


@dataclass(frozen=True)
class Part:
    """Something with a release and a licence."""

    name: str
    version: str
    licence: str


@dataclass(frozen=True)
class Processor:
    """Cores this process may use, and the features that inference gains from."""

    machine: str
    cores: int
    features: tuple[str, ...]


def parts(service: Service) -> list[Part]:
    """Nominal, the backbone, and the packages at hand."""
    spec = service.inspecting.backbones.default.spec
    own = [
        Part("nominal", __version__, _licence(DISTRIBUTION)),
        Part(spec.name, service.inspecting.backbones.default.digest[:12], spec.licence),
    ]
    return own + [part for name in PACKAGES if (part := _part(name)) is not None]


def processor() -> Processor:
    """This machine's."""
    return Processor(platform.machine(), available_cores(), noted())


def _part(name: str) -> Part | None:
    try:
        return Part(name, metadata(name)["Version"], _licence(name))
    except PackageNotFoundError:
        return None


def _licence(name: str) -> str:
    """As the package states it in a few words; else by its classifier."""
    try:
        found = metadata(name)
    except PackageNotFoundError:
        return ""
    classifiers = found.get_all("Classifier") or []
    named = [value.rpartition(" :: ")[2] for value in classifiers if value.startswith("License")]
    said = next((found[field] for field in ("License-Expression", "License") if field in found), "")
    plain = " AND ".join(dict.fromkeys(said.split(" AND ")))
    return plain if "\n" not in plain else next(iter(named), plain.partition("\n")[0])
