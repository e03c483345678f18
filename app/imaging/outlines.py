"""Where photographs are inspected, as a person says it: a picture painted black and white, or outlines -> a mask.

Outlines are JSON: ``{"width": 640, "height": 480, "inspect": [{"polygon": [[10, 10], [600, 20], [300, 470]]}],
"ignore": [{"circle": [300, 200, 40]}, {"rectangle": [0, 0, 80, 80]}]}``, in pixels of a photograph of that size.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Self

import numpy as np
from jaxtyping import Bool
from PIL import Image, ImageDraw
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from app.errors import FolderError
from app.imaging.decode import DEFAULT_LIMITS, ImageLimits, decoded, upright_rgb
from app.imaging.folders import read_file
from app.imaging.header import Header
from core.errors import MaskError
from core.input.mask import SIDE, mask_text

BRIGHT = 128  # of 255: from here on a painted pixel is inspected
MOST_SHAPES, MOST_POINTS = 500, 2_000
FINER = 4  # times as large are outlines drawn, because a drawing's edges take whole pixels
LARGEST = 100_000  # pixels a side of the photograph that outlines are drawn over

Number = Annotated[float, Field(allow_inf_nan=False)]
Point = tuple[Number, Number]


class Shape(BaseModel):
    """One outline, in pixels from the top left corner: a polygon, a rectangle [x, y, width, height] or a circle
    [x, y, radius]."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    polygon: list[Point] | None = Field(None, min_length=3, max_length=MOST_POINTS)
    rectangle: tuple[Number, Number, Number, Number] | None = None
    circle: tuple[Number, Number, Number] | None = None

    @model_validator(mode="after")
    def one_of_them(self) -> Self:
        if sum(each is not None for each in (self.polygon, self.rectangle, self.circle)) != 1:
            raise ValueError("a shape must be a polygon, a rectangle or a circle")
        if self.rectangle is not None and min(self.rectangle[2:]) <= 0:
            raise ValueError("a rectangle must have a width and a height above 0")
        if self.circle is not None and self.circle[2] <= 0:
            raise ValueError("a circle must have a radius above 0")
        return self

    def bounds(self) -> tuple[float, float, float, float]:
        """(left, top, right, bottom)."""
        if self.circle is not None:
            x, y, radius = self.circle
            return x - radius, y - radius, x + radius, y + radius
        if self.rectangle is not None:
            x, y, width, height = self.rectangle
            return x, y, x + width, y + height
        xs, ys = zip(*(self.polygon or ()), strict=True)
        return min(xs), min(ys), max(xs), max(ys)

    def draw(self, onto: ImageDraw.ImageDraw, scale: float, colour: int) -> None:
        """Fill it, in pixels of a picture ``scale`` times as large."""
        if self.polygon is not None:
            onto.polygon([(scale * x - 0.5, scale * y - 0.5) for x, y in self.polygon], fill=colour)
            return
        left, top, right, bottom = (scale * side for side in self.bounds())
        box = (left, top, max(left, right - 1), max(top, bottom - 1))
        onto.rectangle(box, fill=colour) if self.rectangle is not None else onto.ellipse(box, fill=colour)


class Outlines(BaseModel):
    """Shapes over a photograph of ``width`` x ``height`` pixels: all of it is inspected, or what lies in ``inspect``;
    but for what lies in ``ignore``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    width: int = Field(ge=1, le=LARGEST)
    height: int = Field(ge=1, le=LARGEST)
    inspect: list[Shape] = Field(default=[], max_length=MOST_SHAPES)
    ignore: list[Shape] = Field(default=[], max_length=MOST_SHAPES)

    def mask(self) -> Bool[np.ndarray, "h w"]:
        """True where it is inspected, at most SIDE pixels a side. Raises MaskError for a shape outside."""
        for shape in (*self.inspect, *self.ignore):
            left, top, right, bottom = shape.bounds()
            if right <= 0 or bottom <= 0 or left >= self.width or top >= self.height:
                raise MaskError(
                    requirement=f"each shape must touch the photograph, {self.width} x {self.height} pixels",
                    received=f"one from ({left:g}, {top:g}) to ({right:g}, {bottom:g})",
                    remedy="draw it over the photograph, or give the width and height that it was drawn over",
                )
        scale = min(1.0, SIDE / max(self.width, self.height))
        size = (FINER * max(1, round(scale * side)) for side in (self.width, self.height))
        picture = Image.new("L", (next(size), next(size)), 0 if self.inspect else 255)
        pen = ImageDraw.Draw(picture)
        for colour, shapes in ((255, self.inspect), (0, self.ignore)):
            for shape in shapes:
                shape.draw(pen, FINER * scale, colour)
        return (
            np.asarray(picture)[FINER // 2 :: FINER, FINER // 2 :: FINER] > 0
        )  # at the middles of the pixels


def mask_from(data: bytes, limits: ImageLimits = DEFAULT_LIMITS) -> str:
    """The mask that a picture or outlines say, as settings keep it.

    In a picture what is painted bright is inspected, what is dark is not. Raises MaskError, ImageRefused for a file
    that cannot be read, ConfigError for a mask that leaves out everything or nothing.
    """
    if data.lstrip()[:1] == b"{":
        return mask_text(_outlines(data).mask())
    bright = decoded(data, _bright, limits=limits)
    if bright is None:
        raise MaskError(
            requirement="a mask must be opaque: bright where photographs are inspected, dark elsewhere",
            received="a picture that is transparent in places",
            remedy="flatten it on black and save it without transparency",
        )
    return mask_text(bright)


def mask_from_file(path: Path, limits: ImageLimits = DEFAULT_LIMITS) -> str:
    """``mask_from`` of a file. Raises as it does, FolderError where there is none."""
    if not path.is_file():
        raise FolderError("a mask must be a readable file", f"none at {str(path)!a}", "check the path")
    return mask_from(read_file(path, limits), limits)


def _outlines(data: bytes) -> Outlines:
    try:
        return Outlines.model_validate_json(data)
    except ValidationError as error:
        first = next(iter(_said(error)), "something else")
        raise MaskError(
            requirement="outlines must be JSON with width, height and shapes in inspect or ignore",
            received=first[:200],
            remedy='see "Masks" in docs/images.md for an example',
        ) from None


def _said(error: ValidationError) -> Iterator[str]:
    for each in error.errors(include_url=False):
        place = ".".join(map(str, each["loc"]))
        said = each["msg"].removeprefix("Value error, ")
        yield f"{place}: {said}" if place else said


def _bright(image: Image.Image, header: Header, by: int) -> Bool[np.ndarray, "h w"] | None:
    """None where the picture is transparent in places."""
    if image.has_transparency_data and np.asarray(image.convert("RGBA").getchannel("A")).min() < 255:
        return None
    found: Bool[np.ndarray, "h w"] = upright_rgb(image, header).max(axis=2) >= BRIGHT
    return found
