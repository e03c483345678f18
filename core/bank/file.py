"""Bank -> file -> bank (docs/bank-format.md): one file, no pickle, believed only after it is proven.

What of a bank its thresholds rest on is read without building its index (``load_record``).
Letters: m bank vectors, d dimensions, n nominal images, c conformance images, h w height and width.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int32

from core.bank.bank import Bank, Conformance, Provenance, scored_groups
from core.bank.container import Arrays, Container, decode, encode
from core.bank.header import Header, header_of, read_header, write_header
from core.bank.sections import SECTIONS, Form, format_of, hostile, line_bytes, take, text_lines
from core.config import DetectorConfig
from core.errors import BankError, CoreError
from core.files import Replacement
from core.search import Index

FORMS: dict[str, Form] = {
    "vectors": (np.float32, 2),  # (m, d)
    "provenance.images": (np.uint8, 1),  # n names in UTF-8, each ended by a newline
    "provenance.image": (np.int32, 1),  # (m,)
    "provenance.row": (np.int32, 1),  # (m,)
    "provenance.column": (np.int32, 1),  # (m,)
    "calibration.scores": (np.float32, 1),  # (n,)
    "calibration.peaks": (np.float32, 1),  # (n,)
    "conformance.scores": (np.float32, 1),  # (c,)
}
_IMAGE: Form = (np.uint8, 3)  # conformance.0 to conformance.(c - 1), each (h, w, 3)
_OF_SCORES = ("groups", "calibrated")  # sections
_INDEX = "index."  # before the names of the index's own arrays, which the index checks


def save_bank(bank: Bank, path: Path | str) -> None:
    """Write a bank whole or not at all: as ``core.files`` does it. Raises BankError."""
    target = Path(path)
    try:
        with Replacement(target) as new:
            new.file.writelines(encode(_container(bank)))
            new.commit()
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
        raise hostile(error.requirement, error.received) from error
    if write_header(header_of(bank)) != container.header:
        raise hostile("a bank's header must be canonical JSON", "another spelling of it")
    return bank


def _container(bank: Bank) -> Container:
    header = header_of(bank)
    arrays = {
        "vectors": bank.vectors,
        "provenance.images": line_bytes(bank.provenance.images),
        "provenance.image": bank.provenance.image,
        "provenance.row": bank.provenance.row,
        "provenance.column": bank.provenance.column,
        "calibration.scores": bank.calibration_scores,
        "calibration.peaks": bank.calibration_peaks,
        "conformance.scores": bank.conformance.scores,
    }
    arrays |= {f"conformance.{i}": image for i, image in enumerate(bank.conformance.images)}
    arrays |= {f"{_INDEX}{name}": array for name, array in bank.index.arrays().items()}
    for section in SECTIONS:
        if section.name in header.needs:
            arrays |= section.write(getattr(bank, section.name))
    return Container(write_header(header), arrays, format_of(header.needs))


def _bank(container: Container) -> Bank:
    header = read_header(container.header)
    if container.version != format_of(header.needs):
        raise hostile(f"this bank must be of format {format_of(header.needs)}", f"format {container.version}")
    arrays = dict(container.arrays)
    index = {name.removeprefix(_INDEX): arrays.pop(name) for name in list(arrays) if name.startswith(_INDEX)}
    fixed = {name: take(arrays, name, form) for name, form in FORMS.items()}
    conformance = _conformance(arrays, fixed["conformance.scores"], header)
    sections = {section.name: section.read(arrays) for section in SECTIONS if section.name in header.needs}
    if arrays:
        raise hostile("a bank must hold no array its format does not name", ", ".join(map(ascii, arrays)))
    scores = fixed["calibration.scores"]
    return Bank(
        config=header.config,
        backbone=header.backbone,
        index=Index.from_arrays(fixed["vectors"], header.config.index, index),
        provenance=Provenance(
            images=text_lines(fixed["provenance.images"], None if "calibrated" in sections else len(scores)),
            image=fixed["provenance.image"],
            row=fixed["provenance.row"],
            column=fixed["provenance.column"],
        ),
        coreset=header.coreset,
        calibration_scores=scores,
        calibration_peaks=fixed["calibration.peaks"],
        conformance=conformance,
        **sections,
    )


def _conformance(arrays: Arrays, scores: np.ndarray, header: Header) -> Conformance:
    # copies: torch warns of arrays that cannot be written to
    images = tuple(take(arrays, f"conformance.{i}", _IMAGE).copy() for i in range(len(scores)))
    if any(image.shape[2] != 3 for image in images):
        raise hostile("a conformance image must have three channels", f"{[image.shape for image in images]}")
    return Conformance(images, scores, header.tolerance)


def content_of(path: Path) -> bytes:
    """A file's bytes. Raises BankError where there is none."""
    try:
        if path.is_file():  # no folder, and no pipe or device, which may never end
            return path.read_bytes()
        received = "a folder or device" if path.exists() else "no file"
    except (OSError, ValueError) as error:
        received = str(error)
    raise BankError("a bank must be a readable file", f"{received} at {str(path)!a}", "check the path")


@dataclass(frozen=True, eq=False)
class CalibrationRecord:
    """The n scored nominal images by name, with their scores and parts; larger is more anomalous."""

    config: DetectorConfig
    images: tuple[str, ...]
    calibration_scores: Float32[np.ndarray, " n"]
    vectors: int
    calibration_groups: Int32[np.ndarray, " n"]


def record_of(bank: Bank) -> CalibrationRecord:
    """Of a bank in memory, which it does not keep there."""
    return CalibrationRecord(
        bank.config,
        _scored(bank.provenance.images, bank.calibrated),
        bank.calibration_scores.copy(),
        len(bank.vectors),
        bank.calibration_groups.copy(),
    )


def load_record(source: Path | str | bytes) -> CalibrationRecord:
    """Of a bank file, whose digest is proven. Raises BankError and CoreError as ``load_bank`` does."""
    container = decode(source if isinstance(source, bytes) else content_of(Path(source)))
    arrays = dict(container.arrays)
    scores, names, vectors = (
        take(arrays, name, FORMS[name]) for name in ("calibration.scores", "provenance.images", "vectors")
    )
    header = read_header(container.header)
    held = {s.name: s.read(arrays) for s in SECTIONS if s.name in _OF_SCORES and s.name in header.needs}
    groups, calibrated = (held.get(name) for name in _OF_SCORES)
    images = text_lines(names, len(scores) if calibrated is None else None)
    parts = scored_groups(len(images), groups, calibrated)
    return CalibrationRecord(header.config, _scored(images, calibrated), scores.copy(), len(vectors), parts)


def _scored(images: tuple[str, ...], calibrated: np.ndarray | None) -> tuple[str, ...]:
    return images if calibrated is None else tuple(images[i] for i in calibrated)
