"""Write a backbone's needed weights as one safetensors file: whole or not at all, same weights same bytes."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import safetensors.torch

from models.checkpoint import Weights
from models.errors import WeightsNotWritten
from models.spec import BackboneSpec

_METADATA = "nominal"  # one key only: safetensors writes several in no fixed order


def write_trimmed(weights: Weights, spec: BackboneSpec, path: Path) -> None:
    """Put the needed tensors there, the digest and licence in the header. Raises WeightsNotWritten."""
    about = {"backbone": spec.name, "digest": weights.digest, "licence": spec.licence}
    tensors = {
        name: tensor.contiguous() for name, tensor in weights.tensors.items()
    }  # some files keep other strides
    data = safetensors.torch.save(tensors, {_METADATA: json.dumps(about, sort_keys=True)})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_atomically(path, data)
    except OSError as error:
        raise WeightsNotWritten(
            requirement=f"The weights are written to {path}",
            received=str(error),
            remedy="Free space there, or name a place that can be written (NOMINAL_CACHE for the cache).",
        ) from error


def recorded_digest(path: Path) -> str | None:
    """The content digest that ``write_trimmed`` recorded in the file's header; None where there is none."""
    try:
        with safetensors.safe_open(path, "pt") as file:
            digest = json.loads(file.metadata()[_METADATA])["digest"]
    except (OSError, ValueError, KeyError, TypeError, safetensors.SafetensorError):
        return None
    return digest if isinstance(digest, str) else None


def _write_atomically(path: Path, data: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)  # mkstemp's 0600 would hide shared weights from other users
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
