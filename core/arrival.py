"""Settings of how parts arrive: copies that imitate it at the build, registration that undoes it in every photograph.

Parts of ``core.config``, declared as all settings are (core/declared.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from core.declared import Declared, require, setting

RANDOM_COPIES = 4  # of a photograph, where a range to vary in is named without their number
LONGEST_NAME = 1100  # characters of a nominal photograph's name, with the digest before it


@dataclass(frozen=True)
class AugmentConfig(Declared):
    """Copies of each nominal photograph that a build learns too, for parts that arrive turned, moved or lit otherwise.

    Only the coreset is made from copies: a part is calibrated by its photographs as taken, without any of its copies.
    """

    part: ClassVar[str] = "augment"
    option: ClassVar[str] = "--augment"
    example: ClassVar[str] = "rotation=15,shift=0.1,flips"

    rotation: float = setting(
        0.0, "Random copies are turned by at most so many degrees either way", later=True, ge=0, le=180
    )
    shift: float = setting(
        0.0, "Random copies are moved by at most this share of the shorter side", later=True, ge=0, le=0.5
    )
    scale: float = setting(
        0.0, "Random copies are larger or smaller by at most this share", later=True, ge=0, le=0.5
    )
    light: float = setting(
        0.0, "Random copies are brighter or darker by at most this share", later=True, ge=0, le=0.9
    )
    flips: bool = setting(False, "A copy that is mirrored left to right.", later=True)
    quarter_turns: bool = setting(
        False,
        "Three copies, turned by 90, 180 and 270 degrees; with flips, their mirror images too.",
        later=True,
    )
    copies: int | None = setting(
        None,
        "Random copies of each photograph, 4 if a range is named without their number",
        later=True,
        ge=1,
        le=64,
    )

    @property
    def random(self) -> int:
        """Random copies of a photograph."""
        return (self.copies or RANDOM_COPIES) if self._varies else 0

    @property
    def views(self) -> int:
        """How often a photograph is learned: as taken, in every exact turn, and in random copies."""
        return (2 if self.flips else 1) * (4 if self.quarter_turns else 1) + self.random

    @property
    def moves(self) -> bool:
        """Whether a copy shows the part elsewhere, or turned."""
        return any((self.rotation, self.shift, self.scale, self.flips, self.quarter_turns))

    @property
    def _varies(self) -> bool:
        return any((self.rotation, self.shift, self.scale, self.light))

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            self.copies is None or self._varies,
            "copies of augment are random, so they need a range to vary in",
            f"copies {self.copies} without rotation, shift, scale or light",
            "add one of them, such as rotation=15, or leave copies out",
        )


@dataclass(frozen=True)
class RegistrationConfig(Declared):
    """Whether the part is looked for in each photograph, and turned and moved to where a reference has it."""

    part: ClassVar[str] = "registration"

    on: bool = setting(
        False,
        "Find the part in each photograph and bring it to where a reference has it; for rigid parts with texture.",
        "--register",
        later=True,
    )
    reference: str | None = setting(
        None,
        "Name of the nominal photograph that is the reference; by default the one most alike the others.",
        "--reference",
        later=True,
    )
    rotation: float = setting(
        180.0,
        "Degrees that a part may be turned by, either way; one that is turned further is not located",
        "--register-rotation",
        later=True,
        ge=0,
        le=180,
    )
    scale: float = setting(
        1.4,
        "Times that a part may be larger or smaller than the reference; another is not located",
        later=True,
        ge=1,
        le=4,
    )
    min_inliers: int = setting(
        6,
        "Points that must agree with the reference; a part with fewer is not located",
        later=True,
        ge=3,
        le=100,
    )
    side: int = setting(
        320,
        "Pixels of the long side of the picture that a part is looked for in",
        later=True,
        ge=160,
        le=1280,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            self.reference is None or 0 < len(self.reference) <= LONGEST_NAME,
            "a reference must be the name of a nominal photograph",
            f"{len(self.reference or '')} characters",
            "name one, or leave it out",
        )
        require(
            self.on or not self.later(),
            "settings of registration need it to be on",
            ", ".join(self.later()),
            "turn it on (--register, registration.on), or leave them out",
        )
