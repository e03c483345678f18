"""Bank -> file -> bank (docs/bank-format.md): one file, no pickle, believed only after it is proven.

Letters: m bank vectors, d dimensions, n nominal images, c conformance images, h w height and width.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from core.bank.bank import Bank, Conformance, Provenance
from core.bank.container import Arrays, Container, decode, encode
from core.bank.header import Header, read_header, write_header
from core.config import DetectorConfig
from core.errors import BankError, BankHostile, CoreError
from core.features.pca import Pca
from core.search import Index

FORMS: dict[str, tuple[type[np.generic], int]] = {  # name: (dtype, dimensions)
    "vectors": (np.float32, 2),  # (m, d)
    "provenance.images": (np.uint8, 1),  # n names in UTF-8, each ended by a newline
    "provenance.image": (np.int32, 1),  # (m,)
    "provenance.row": (np.int32, 1),  # (m,)
    "provenance.column": (np.int32, 1),  # (m,)
    "calibration.scores": (np.float32, 1),  # (n,)
    "calibration.peaks": (np.float32, 1),  # (n,)
    "conformance.scores": (np.float32, 1),  # (c,)
}
_IMAGE: tuple[type[np.generic], int] = (np.uint8, 3)  # conformance.0 to conformance.(c - 1), each (h, w, 3)
_MEAN, _COMPONENTS = "pca.mean", "pca.components"  # (d,) and (k, d), float32, in a bank of PCA alone
GROUPS, CALIBRATED = "calibration.groups", "calibration.images"  # (n,) and (s,), int32, where a bank has them
_INDEX = "index."  # before the names of the index's own arrays, which the index checks


def save_bank(bank: Bank, path: Path | str) -> None:
    """Write a bank whole or not at all: beside its place, synced, then renamed. Raises BankError."""
    target = Path(path)
    beside = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
    try:
        try:
            with beside.open("xb") as file:
                file.writelines(encode(_container(bank)))
                file.flush()
                os.fsync(file.fileno())
            beside.replace(target)
        finally:
            beside.unlink(missing_ok=True)
        _sync_folder(target.parent)
    except OSError as error:
        raise BankError(
            requirement="a bank must be written to a folder that exists and has room",
            received=f"{error.strerror or error} for {str(target)!a}",
            remedy="choose another place",
        ) from error


def bank_bytes(bank: Bank) -> bytes:
    """The bytes ``save_bank`` writes; the same bank gives the same bytes."""
    return b"".join(encode(_container(bank)))


def load_bank(source: Path | str | bytes) -> Bank:
    """Read a bank from a file or from its bytes, and prove its integrity.

    Raises BankCorrupt for what is truncated, edited or no bank, BankFormatTooNew, BankHostile for content no
    build writes, and BankError where there is no file to read. Arrays are read-only views of the bytes, and
    memory stays within a few times the size of the file.
    """
    container = decode(source if isinstance(source, bytes) else content_of(Path(source)))
    try:
        bank = _bank(container)
    except BankError:
        raise
    except CoreError as error:
        raise _hostile(error.requirement, error.received) from error
    if write_header(bank) != container.header:
        raise _hostile("a bank's header must be canonical JSON", "another spelling of it")
    return bank


def _container(bank: Bank) -> Container:
    names = "".join(f"{name}\n" for name in bank.provenance.images).encode()
    arrays = {
        "vectors": bank.vectors,
        "provenance.images": np.frombuffer(names, np.uint8),
        "provenance.image": bank.provenance.image,
        "provenance.row": bank.provenance.row,
        "provenance.column": bank.provenance.column,
        "calibration.scores": bank.calibration_scores,
        "calibration.peaks": bank.calibration_peaks,
        "conformance.scores": bank.conformance.scores,
    }
    arrays |= {f"conformance.{i}": image for i, image in enumerate(bank.conformance.images)}
    arrays |= {f"{_INDEX}{name}": array for name, array in bank.index.arrays().items()}
    if bank.pca is not None:
        arrays |= {_MEAN: bank.pca.mean.numpy(), _COMPONENTS: bank.pca.components.numpy()}
    if bank.groups is not None:
        arrays[GROUPS] = bank.groups
    if bank.calibrated is not None:
        arrays[CALIBRATED] = bank.calibrated
    return Container(write_header(bank), arrays, _version(bank.config, arrays))


def _version(config: DetectorConfig, arrays: Mapping[str, np.ndarray]) -> int:
    """Of the format: releases that do not know what a bank needs must not read it."""
    if config.min_bank_vectors or GROUPS in arrays or CALIBRATED in arrays:
        return 4
    if config.input.reduced_jpeg:
        return 3
    return 1 if config.pca is None else 2


def _bank(container: Container) -> Bank:
    header = read_header(container.header)
    version = _version(header.config, container.arrays)
    if container.version != version:
        raise _hostile(f"this bank must be of format {version}", f"format {container.version}")
    arrays = dict(container.arrays)
    index = {name.removeprefix(_INDEX): arrays.pop(name) for name in list(arrays) if name.startswith(_INDEX)}
    fixed = {name: take(arrays, name, *form) for name, form in FORMS.items()}
    conformance = _conformance(arrays, fixed["conformance.scores"], header)
    pca = None if header.config.pca is None else _pca(arrays)
    scores = fixed["calibration.scores"]
    groups, calibrated = (optional(arrays, name) for name in (GROUPS, CALIBRATED))
    if arrays:
        raise _hostile("a bank must hold no array its format does not name", ", ".join(map(ascii, arrays)))
    return Bank(
        config=header.config,
        backbone=header.backbone,
        index=Index.from_arrays(fixed["vectors"], header.config.index, index),
        provenance=Provenance(
            images=names_of(fixed["provenance.images"], None if calibrated is not None else len(scores)),
            image=fixed["provenance.image"],
            row=fixed["provenance.row"],
            column=fixed["provenance.column"],
        ),
        coreset=header.coreset,
        calibration_scores=scores,
        calibration_peaks=fixed["calibration.peaks"],
        conformance=conformance,
        pca=pca,
        groups=groups,
        calibrated=calibrated,
    )


def _pca(arrays: Arrays) -> Pca:
    mean, components = take(arrays, _MEAN, np.float32, 1), take(arrays, _COMPONENTS, np.float32, 2)
    return Pca(torch.tensor(mean), torch.tensor(components))  # copies, as those of images


def optional(arrays: Arrays, name: str) -> np.ndarray | None:
    """An int32 array that not every bank holds. Raises BankHostile for another form."""
    return take(arrays, name, np.int32, 1) if name in arrays else None


def _conformance(arrays: Arrays, scores: np.ndarray, header: Header) -> Conformance:
    # copies: torch warns of arrays that cannot be written to
    images = tuple(take(arrays, f"conformance.{i}", *_IMAGE).copy() for i in range(len(scores)))
    if any(image.shape[2] != 3 for image in images):
        raise _hostile("a conformance image must have three channels", f"{[image.shape for image in images]}")
    return Conformance(images, scores, header.tolerance)


def take(arrays: Arrays, name: str, dtype: type[np.generic], dimensions: int) -> np.ndarray:
    """An array out of those of a container. Raises BankHostile for another form."""
    array = arrays.pop(name, None)
    if array is None or array.dtype != dtype or array.ndim != dimensions:
        raise _hostile(
            f"a bank must hold {name}, {np.dtype(dtype)} of {dimensions} dimension(s)",
            "none" if array is None else f"{array.dtype} of shape {array.shape}",
        )
    return array


def names_of(encoded: np.ndarray, count: int | None) -> tuple[str, ...]:
    """The image names of ``provenance.images``. Raises BankHostile unless there are ``count``; None: any number."""
    found = np.count_nonzero(encoded == ord("\n"))
    if found != (found if count is None else count) or found == 0 or encoded[-1] != ord("\n"):
        raise _hostile(f"a bank must name the {count} images it has scores of", "another number of names")
    try:
        return tuple(encoded.tobytes().decode().removesuffix("\n").split("\n"))
    except UnicodeDecodeError as error:
        raise _hostile("image names must be UTF-8", f"{error.reason} at byte {error.start}") from None


def content_of(path: Path) -> bytes:
    """A file's bytes. Raises BankError where there is none."""
    try:
        if path.is_file():  # no folder, and no pipe or device, which may never end
            return path.read_bytes()
        received = "a folder or device" if path.exists() else "no file"
    except (OSError, ValueError) as error:
        received = str(error)
    raise BankError(
        requirement="a bank must be a readable file",
        received=f"{received} at {str(path)!a}",
        remedy="check the path",
    )


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _hostile(requirement: str, received: str) -> BankHostile:
    return BankHostile(
        requirement=requirement,
        received=received[:200],
        remedy="do not use this file: its digest holds, so it was made this way; build the bank again",
    )
