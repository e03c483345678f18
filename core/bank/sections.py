"""What only some banks hold, each registered once, and the arrays of a bank file by name (docs/bank-format.md)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from core.bank.container import VERSION, Arrays
from core.bank.names import check_image_name
from core.config import DetectorConfig
from core.declared import all_settings
from core.errors import BankHostile
from core.features.pca import Pca
from core.features.position import Position
from core.registration import Keypoints, Reference

Form = tuple[type[np.generic], int]
"""dtype and number of dimensions of an array."""


@dataclass(frozen=True)
class Section:
    """One field of ``Bank`` that is None in most of them. A reader that does not know it refuses the bank.

    name: of the field, in the header's ``requires``, and with a dot before the names of its arrays. forms: of its
    arrays. to_arrays takes the field's value, from_arrays makes it and may raise CoreError. Longer text than names,
    JSON say, belongs in an array of its UTF-8: the header holds at most 64 KiB.
    """

    name: str
    forms: Mapping[str, Form]
    to_arrays: Callable[[Any], Arrays]
    from_arrays: Callable[[Arrays], Any]

    def write(self, value: Any) -> Arrays:
        return {f"{self.name}.{name}": array for name, array in self.to_arrays(value).items()}

    def read(self, arrays: Arrays) -> Any:
        """The field's value; its arrays are taken out of ``arrays``. Raises BankHostile, CoreError."""
        return self.from_arrays(
            {name: take(arrays, f"{self.name}.{name}", form) for name, form in self.forms.items()}
        )


SECTIONS = (
    Section(
        "pca",
        {"mean": (np.float32, 1), "components": (np.float32, 2)},  # (d,) and (k, d)
        lambda pca: {"mean": pca.mean.numpy(), "components": pca.components.numpy()},
        lambda arrays: Pca(torch.tensor(arrays["mean"]), torch.tensor(arrays["components"])),  # copies
    ),
    Section(
        "position",
        {"step": (np.float64, 1)},  # (1,)
        lambda position: {"step": np.array([position.step])},
        lambda arrays: Position(float(_single(arrays["step"]))),
    ),
    Section(
        "reference",
        {
            "name": (np.uint8, 1),
            "size": (np.int32, 1),  # height and width as taken
            "picture": (np.uint8, 2),  # (h, w)
            "points": (np.float32, 2),  # (k, 2)
            "descriptors": (np.uint8, 2),  # (k, 128)
            "fits": (np.float32, 1),  # (s,)
        },
        lambda reference: {
            "name": line_bytes((reference.name,)),
            "size": np.array(reference.size, np.int32),
            "picture": reference.picture,
            "points": reference.keypoints.points,
            "descriptors": reference.keypoints.descriptors,
            "fits": reference.fits,
        },
        lambda arrays: _reference(**arrays),
    ),
    Section(
        "poses",
        {"values": (np.float32, 2)},  # (n, 6)
        lambda poses: {"values": poses},
        lambda arrays: arrays["values"],
    ),
    Section(
        "groups",
        {"labels": (np.int32, 1)},  # (n,)
        lambda labels: {"labels": labels},
        lambda arrays: arrays["labels"],
    ),
    Section(
        "calibrated",
        {"images": (np.int32, 1)},  # (s,)
        lambda images: {"images": images},
        lambda arrays: arrays["images"],
    ),
    Section(
        "grouped_by",
        {"source": (np.uint8, 1)},
        lambda source: {"source": line_bytes((source,))},
        lambda arrays: text_lines(arrays["source"], 1)[0],
    ),
)
KNOWN = {s.key for s in all_settings(DetectorConfig) if s.later} | {section.name for section in SECTIONS}
"""What a bank may require: settings by their keys, sections by their names."""

_NUMBERED = {"pca": 2, "input.reduced_jpeg": 3}  # a format each, before headers listed what they require


def format_of(needs: Iterable[str]) -> int:
    """The oldest format that can hold a bank with these settings and sections: 1 with none."""
    return max((_NUMBERED.get(name, VERSION) for name in needs), default=1)


def take(arrays: Arrays, name: str, form: Form) -> np.ndarray:
    """Take an array out of those of a container. Raises BankHostile for another form."""
    array, (dtype, dimensions) = arrays.pop(name, None), form
    if array is None or array.dtype != dtype or array.ndim != dimensions:
        raise hostile(
            f"a bank must hold {name}, {np.dtype(dtype)} of {dimensions} dimension(s)",
            "none" if array is None else f"{array.dtype} of shape {array.shape}",
        )
    return array


def _reference(
    name: np.ndarray,
    size: np.ndarray,
    picture: np.ndarray,
    points: np.ndarray,
    descriptors: np.ndarray,
    fits: np.ndarray,
) -> Reference:
    if size.shape != (2,):
        raise hostile("a reference's size must be height and width", f"{size.size} numbers")
    (text,) = text_lines(name, 1)
    check_image_name(text)
    height, width = size.tolist()
    return Reference(text, (height, width), picture.copy(), Keypoints(points, descriptors), fits)


def _single(array: np.ndarray) -> Any:
    """The one entry of an array. Raises BankHostile."""
    if array.shape != (1,):
        raise hostile("a bank must say what places cost in one number", f"{array.size}")
    return array[0]


def text_lines(encoded: np.ndarray, count: int | None) -> tuple[str, ...]:
    """Names in UTF-8, each ended by a newline. Raises BankHostile unless there are ``count``; None: any number."""
    found = np.count_nonzero(encoded == ord("\n"))
    if (count is not None and found != count) or found == 0 or encoded[-1] != ord("\n"):
        raise hostile(f"a bank must name the {count} images it has scores of", "another number of names")
    try:
        return tuple(encoded.tobytes().decode().removesuffix("\n").split("\n"))
    except UnicodeDecodeError as error:
        raise hostile("image names must be UTF-8", f"{error.reason} at byte {error.start}") from None


def line_bytes(lines: tuple[str, ...]) -> np.ndarray:
    """What ``text_lines`` reads."""
    return np.frombuffer("".join(f"{line}\n" for line in lines).encode(), np.uint8)


def hostile(requirement: str, received: str) -> BankHostile:
    """The refusal of content that no build writes."""
    return BankHostile(
        requirement=requirement,
        received=received[:200],
        remedy="do not use this file: its digest holds, so it was made this way; build the bank again",
    )
