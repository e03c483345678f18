"""A weights file: read without trust, held to what its backbone needs, digested, written trimmed.

The content digest is the sha256 over the needed tensors alone, in sorted order of their names: each one's
name, dtype and shape as text, then its values as little-endian float32. A full and a trimmed file share it.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from models.errors import (
    WeightsCorrupt,
    WeightsNotFound,
    WeightsNotWritten,
    WeightsWrongArchitecture,
    WeightsWrongDigest,
)
from models.spec import BackboneSpec

_METADATA = "nominal"  # one key only: safetensors writes several in no fixed order


@dataclass(frozen=True, eq=False)
class Weights:
    """The needed tensors of one backbone, verified, and their content digest (64 hexadecimal digits)."""

    tensors: dict[str, Tensor]
    digest: str


def read_weights(path: Path, spec: BackboneSpec, accept_digest: str | None = None) -> Weights:
    """The needed tensors of a safetensors or PyTorch file, full or trimmed, and nothing else of it.

    ``accept_digest`` vouches for a file or a content other than the published one, by its full sha256. Raises
    WeightsNotFound, WeightsCorrupt, WeightsWrongArchitecture or WeightsWrongDigest.
    """
    tensors = _needed(_read(path, spec, accept_digest), spec, path)
    _refuse_broken_values(tensors, path)
    digest = content_digest(tensors)
    accepted = accept_digest is not None and accept_digest in (digest, _file_sha256(path))
    if spec.digest not in (None, digest) and not accepted:
        raise WeightsWrongDigest(
            requirement=f"Weights of {spec.name} have the content digest {spec.digest}",
            received=f"{path} with {digest}",
            remedy=f"Use the published file, or pass accept_digest={digest} if you trust this one.",
        )
    return Weights(tensors, digest)


def content_digest(tensors: Mapping[str, Tensor]) -> str:
    """sha256 over names, dtypes, shapes and float32 values, in sorted order of the names."""
    sha = hashlib.sha256()
    for name in sorted(tensors):
        shape = ",".join(str(n) for n in tensors[name].shape)
        sha.update(f"{name} F32 {shape}\n".encode())
        sha.update(tensors[name].contiguous().numpy().astype("<f4", copy=False).data)
    return sha.hexdigest()


@lru_cache
def needed_shapes(spec: BackboneSpec) -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor that a weights file of this backbone must hold."""
    with torch.device("meta"):
        state = spec.build().state_dict()
    return {name: tuple(t.shape) for name, t in state.items() if not _is_counter(name)}


def write_trimmed(weights: Weights, spec: BackboneSpec, path: Path) -> None:
    """Write the needed tensors as safetensors, same weights same bytes. Raises WeightsNotWritten."""
    metadata = {"backbone": spec.name, "digest": weights.digest, "licence": spec.licence}
    write_atomically(
        path, safetensors.torch.save(weights.tensors, {_METADATA: json.dumps(metadata, sort_keys=True)})
    )


def write_atomically(path: Path, data: bytes) -> None:
    """Put the bytes there whole or not at all, surviving a power cut. Raises WeightsNotWritten."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as file:
            try:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
                file.close()
                Path(file.name).replace(path)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
        _sync_folder(path.parent)
    except OSError as error:
        raise WeightsNotWritten(
            requirement=f"The weights are written to {path}",
            received=str(error),
            remedy="Free space there, or name a folder that can be written (NOMINAL_CACHE for the cache).",
        ) from error


def recorded_digest(path: Path) -> str | None:
    """The content digest that ``write_trimmed`` recorded in the file's header; None where there is none."""
    try:
        with safetensors.safe_open(path, "pt") as file:
            digest = json.loads(file.metadata()[_METADATA])["digest"]
    except (OSError, ValueError, KeyError, TypeError, safetensors.SafetensorError):
        return None
    return digest if isinstance(digest, str) else None


def _read(path: Path, spec: BackboneSpec, accept_digest: str | None) -> dict[str, Tensor]:
    try:
        with path.open("rb") as file:
            head = file.read(9)
    except OSError as error:
        raise WeightsNotFound(
            requirement=f"Weights of {spec.name} are a file that can be read",
            received=str(error),
            remedy="Name an existing .safetensors or .pth file.",
        ) from error
    if head[:2] == b"PK" or head[:2] == b"\x80\x02":
        return _read_torch(path, spec, accept_digest)
    try:
        return safetensors.torch.load_file(path)
    except (safetensors.SafetensorError, OSError, ValueError, KeyError) as error:
        raise _corrupt(path, error) from error


def _read_torch(path: Path, spec: BackboneSpec, accept_digest: str | None) -> dict[str, Tensor]:
    sha = _file_sha256(path)
    known = spec.file_sha256 is not None and sha.startswith(spec.file_sha256)
    if not known and sha != accept_digest:
        raise WeightsWrongDigest(
            requirement=f"A PyTorch file of {spec.name} has a sha256 that begins with {spec.file_sha256}",
            received=f"{path} with {sha}",
            remedy=f"Take the published file or a safetensors one, or vouch for it: accept_digest={sha}.",
        )
    try:
        loaded: Any = torch.load(path, map_location="cpu", weights_only=True)
        tensors = {str(name): t.detach() for name, t in loaded.items()}
    except Exception as error:  # whatever the unpickler meets, the file is at fault
        raise _corrupt(path, error) from error
    return tensors


def _needed(tensors: Mapping[str, Tensor], spec: BackboneSpec, path: Path) -> dict[str, Tensor]:
    if spec.rename is not None:
        tensors = spec.rename(tensors)
    shapes = needed_shapes(spec)
    found = {name: _describe(t) for name, t in tensors.items()}
    wrong = [f"{n} is {found[n]}" for n, s in shapes.items() if n in found and found[n] != f"float32 {s}"]
    absent = [f"{n} is absent" for n in shapes if n not in found]
    extra = [f"{n} is not of it" for n in found if n not in shapes and not _may_be_left_out(n, spec)]
    faults = absent + wrong + extra
    if faults:
        more = f" and {len(faults) - 5} more" if len(faults) > 5 else ""
        raise WeightsWrongArchitecture(
            requirement=f"Weights of {spec.name} hold its {len(shapes)} float32 tensors and no other layers",
            received=f"{path}, where {', '.join(faults[:5])}{more}",
            remedy=f"Use a file of {spec.name}, or name the backbone that this file belongs to.",
        )
    return {name: tensors[name] for name in shapes}


def _describe(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"


def _may_be_left_out(name: str, spec: BackboneSpec) -> bool:
    return _is_counter(name) or name.startswith(spec.unused)


def _is_counter(name: str) -> bool:
    return name.endswith(".num_batches_tracked")  # counts training steps; inference never reads it


def _refuse_broken_values(tensors: Mapping[str, Tensor], path: Path) -> None:
    for name, tensor in tensors.items():
        negative = name.endswith("running_var") and bool((tensor < 0).any())
        if negative or not bool(tensor.isfinite().all()):
            raise WeightsCorrupt(
                requirement="Weights are finite and variances not negative",
                received=f"{path}, where {name} is not",
                remedy="Take the file from its source again.",
            )


def _corrupt(path: Path, error: Exception) -> WeightsCorrupt:
    return WeightsCorrupt(
        requirement="A weights file is a whole safetensors or PyTorch file",
        received=f"{path} ({type(error).__name__}: {str(error).partition(chr(10))[0]})",
        remedy="Take the file from its source again.",
    )


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
