"""A weights file: read without trust, held to what its backbone needs, digested, and written trimmed to that.

The content digest is the sha256 over only the needed tensors, in sorted order of their names: each one's
name, dtype and shape as text, then its values as little-endian float32. A full and a trimmed file share it.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from functools import cached_property, lru_cache
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
from models.memory import Memory
from models.spec import BackboneSpec

_AGAIN = "Take the file from its source again."


class Weights:
    """The needed tensors of one backbone, verified, and their content digest (64 hexadecimal digits)."""

    def __init__(self, tensors: dict[str, Tensor] | Callable[[], dict[str, Tensor]], digest: str) -> None:
        self._tensors, self.digest = tensors, digest

    @cached_property
    def tensors(self) -> dict[str, Tensor]:
        """By their names; read now where they were not needed before."""
        return self._tensors if isinstance(self._tensors, dict) else self._tensors()


def read_weights(path: Path, spec: BackboneSpec, accept_digest: str | None = None) -> Weights:
    """The needed tensors of a safetensors or PyTorch file, full or trimmed, and nothing else of it.

    ``accept_digest`` vouches for a file or a content other than the published one, by its full sha256. Raises
    WeightsNotFound, WeightsCorrupt, WeightsWrongArchitecture or WeightsWrongDigest.
    """
    tensors = _needed(_read(path, spec, accept_digest), spec, path)
    _refuse_broken_values(tensors, path)
    digest = content_digest(tensors)
    published = spec.digest in (None, digest)
    if not published and accept_digest != digest and not _vouched(path, accept_digest):
        raise WeightsWrongDigest(
            requirement=f"Weights of {spec.name} have the content digest {spec.digest}",
            received=f"{path} with {digest}",
            remedy=f"Use the published file, or vouch for it: accept_digest={digest}.",
        )
    return Weights(tensors, digest)


def verified_weights(path: Path, spec: BackboneSpec, accept_digest: str | None = None) -> Weights:
    """As ``read_weights``; a published file that this machine has verified before is known by its sha256.

    Its tensors are read where they are needed, which they are not once its networks are compiled.
    """
    if spec.digest is None or accept_digest not in (None, spec.digest) or not path.is_file():
        return read_weights(path, spec, accept_digest)
    try:
        name = f"verified {_file_sha256(path)}"
    except OSError:
        return read_weights(path, spec, accept_digest)
    memory = Memory.of(backbone=spec.name, digest=spec.digest)
    if memory.read(name) is not None:
        return Weights(lambda: read_weights(path, spec, accept_digest).tensors, spec.digest)
    found = read_weights(path, spec, accept_digest)
    if found.digest == spec.digest:
        memory.keep(name, found.digest.encode())
    return found


def verify_published(path: Path, spec: BackboneSpec, accept_digest: str | None = None) -> None:
    """Raise WeightsWrongDigest unless the file is the published one, whole, or the one vouched for."""
    sha = _file_sha256(path)
    if sha != accept_digest and not (spec.file_sha256 and sha.startswith(spec.file_sha256)):
        raise WeightsWrongDigest(
            requirement=f"The published file of {spec.name} has a sha256 that begins with {spec.file_sha256}",
            received=f"{path} with {sha}",
            remedy=f"Use the published file or a safetensors one, or vouch for it: accept_digest={sha}.",
        )


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


def _read(path: Path, spec: BackboneSpec, accept_digest: str | None) -> dict[str, Tensor]:
    try:
        with path.open("rb") as file:
            head = file.read(2)
    except OSError as error:
        raise WeightsNotFound(
            requirement=f"Weights of {spec.name} are a file that can be read",
            received=str(error),
            remedy="Name an existing .safetensors or .pth file.",
        ) from error
    if head in (b"PK", b"\x80\x02"):  # a zip archive or a bare pickle: PyTorch's two formats
        verify_published(path, spec, accept_digest)
        return _read_torch(path)
    try:
        return safetensors.torch.load_file(path)
    except (safetensors.SafetensorError, OSError, ValueError, KeyError) as error:
        raise _corrupt(path, error) from error


def _read_torch(path: Path) -> dict[str, Tensor]:
    try:
        loaded: Any = torch.load(path, map_location="cpu", weights_only=True)
        return {str(name): t.detach() for name, t in loaded.items()}
    except Exception as error:  # whatever the reader of pickles meets, the file is at fault
        raise _corrupt(path, error) from error


def _needed(tensors: Mapping[str, Tensor], spec: BackboneSpec, path: Path) -> dict[str, Tensor]:
    if spec.rename is not None:
        tensors = spec.rename(tensors)
    shapes = needed_shapes(spec)
    faults = [f"{name} is absent" for name in shapes if name not in tensors]
    for name, tensor in tensors.items():
        found = f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"
        if name in shapes and found != f"float32 {shapes[name]}":
            faults.append(f"{name} is {found}, not float32 {shapes[name]}")
        if name not in shapes and not _is_counter(name) and not name.startswith(spec.unused):
            faults.append(f"{name} is of another network")
    if faults:
        more = f" and {len(faults) - 5} more" if len(faults) > 5 else ""
        raise WeightsWrongArchitecture(
            requirement=f"Weights of {spec.name} hold its {len(shapes)} float32 tensors and no other layers",
            received=f"{path}, where {'; '.join(faults[:5])}{more}",
            remedy=f"Use a file of {spec.name}, or name the backbone that this file belongs to.",
        )
    return {name: tensors[name] for name in shapes}


def _is_counter(name: str) -> bool:
    return name.endswith(".num_batches_tracked")  # counts training steps; inference never reads it


def _refuse_broken_values(tensors: Mapping[str, Tensor], path: Path) -> None:
    for name, tensor in tensors.items():
        negative = name.endswith("running_var") and bool((tensor < 0).any())
        if negative or not bool(tensor.isfinite().all()):
            raise WeightsCorrupt(
                requirement="Weights are finite and variances not negative",
                received=f"{path}, where {name} is {'negative' if negative else 'NaN or infinite'} in places",
                remedy=_AGAIN,
            )


def _corrupt(path: Path, error: Exception) -> WeightsCorrupt:
    return WeightsCorrupt(
        requirement="A weights file is a whole safetensors or PyTorch file",
        received=f"{path} ({type(error).__name__}: {str(error).partition(chr(10))[0]})",
        remedy=_AGAIN,
    )


def _vouched(path: Path, accept_digest: str | None) -> bool:
    return accept_digest is not None and accept_digest == _file_sha256(path)


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
