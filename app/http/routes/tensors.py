"""Images and answers as tensors: the Open Inference Protocol v2 (REST) with its binary tensor extension.

A request's one input is read into image files, which are inspected as every other is: ``image`` holds files, as base64
in JSON or as they are in binary; ``pixels`` holds RGB samples, which become BMP files. In binary, the JSON takes the
first ``Inference-Header-Content-Length`` bytes of the body and tensors follow it, little-endian, each element of BYTES
after its length in four bytes.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import orjson
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from app.errors import FieldInvalid, ImageRefused
from app.http.inference import InferenceInput, InferenceRequest
from app.imaging.decode import ImageLimits, check_header
from app.imaging.pictures import encode_bmp
from app.inspection.gate import Pass

HEADER_LENGTH = "Inference-Header-Content-Length"
MOST_IMAGES = 32  # of one request
MOST_NUMBERS = 3 * 512 * 512  # in JSON, which takes long to read and to write: more go in binary
NUMBER_BYTES = 64  # of memory that a number in JSON takes at most while it is read


@dataclass(frozen=True)
class Inferring:
    """A request that was read. images: their files. batched: whether the tensors have a dimension for images."""

    request: InferenceRequest
    images: list[bytes]
    batched: bool


def read_inference(body: bytes, header_length: str | None, limits: ImageLimits) -> Inferring:
    """A body as the images it holds, their headers checked. header_length: of ``HEADER_LENGTH``; None without it.

    Raises FieldInvalid, RequestValidationError, ImageRefused.
    """
    said, rest = _parted(body, header_length)
    request = _request(said, len(rest)) if said else _of_one_file(len(rest))
    (given,) = request.inputs
    _check_size(given, len(rest))
    images = _files(given, rest, raw=not said) if given.datatype == "BYTES" else _drawn(given, rest, limits)
    sizes = [_size(data, at, len(images), limits) for at, data in enumerate(images)]
    if "map" in request.wanted():
        _check_maps(sizes, request.wanted()["map"])
    return Inferring(request, images, len(given.shape) in (2, 4) or len(images) > 1)


def read_counted(body: bytes, header_length: str | None, limits: ImageLimits, share: Pass) -> Inferring:
    """``read_inference`` with the memory counted that numbers in JSON take. Raises MemoryFull, too."""
    with share.holding(NUMBER_BYTES * numbers_in(body, header_length)):
        return read_inference(body, header_length, limits)


def numbers_in(body: bytes, header_length: str | None) -> int:
    """How many values the JSON of a body has at most. Raises FieldInvalid where they are more than may be."""
    found = body.count(b",", 0, len(_parted(body, header_length)[0]))
    if found > MOST_NUMBERS + (1 << 12):
        raise FieldInvalid(
            f"numbers in JSON must be at most {MOST_NUMBERS:,}",
            f"more than {MOST_NUMBERS:,}",
            f"Send the tensor in binary ({HEADER_LENGTH}), or the image as a file.",
        )
    return found


def _parted(body: bytes, header_length: str | None) -> tuple[bytes, memoryview]:
    """The JSON of a body and what follows it; no JSON where its length is said to be 0."""
    if header_length is None:
        return body, memoryview(b"")
    length = int(header_length) if header_length.isascii() and header_length.isdigit() else -1
    if not 0 <= length <= len(body):
        raise FieldInvalid(
            f"{HEADER_LENGTH} must be the bytes of the JSON, {len(body):,} at most",
            ascii(header_length[:80]),
            "Count the JSON's bytes in UTF-8; leave the header out where no tensor follows.",
        )
    return body[:length], memoryview(body)[length:]


def _request(said: bytes, rest: int) -> InferenceRequest:
    try:
        return InferenceRequest.model_validate(orjson.loads(said))
    except orjson.JSONDecodeError as error:
        raise FieldInvalid(
            "the body must be JSON, or begin with it",
            f"other bytes at byte {error.pos}",
            f"Send what docs/api.md shows; with tensors after the JSON, {HEADER_LENGTH} says its bytes.",
        ) from error
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
        raise RequestValidationError(
            [{**fault, "loc": ("body", *fault["loc"])} for fault in faults]
        ) from error


def _of_one_file(size: int) -> InferenceRequest:
    """What a body without JSON means: all of it is one image file, and outputs come in binary."""
    given = {"name": "image", "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": size}}
    return InferenceRequest.model_validate({"inputs": [given], "parameters": {"binary_data_output": True}})


def _check_size(given: InferenceInput, rest: int) -> None:
    """That the input is of a form there is, and comes either in JSON or in binary."""
    shape, image = given.shape, given.name == "image"
    fits = shape[1:] in ([], [1]) if image else len(shape) > 2 and shape[-1] == 3
    if not fits or given.datatype != ("BYTES" if image else "UINT8"):
        raise FieldInvalid(
            "an input must be image, BYTES [n], or pixels, UINT8 [h, w, 3] or [n, h, w, 3]",
            f"{given.name}, {given.datatype} {shape}",
            "Send files as image and RGB samples as pixels.",
        )
    count = shape[0] if image or len(shape) == 4 else 1
    if count > MOST_IMAGES:
        raise FieldInvalid(
            f"a request may hold {MOST_IMAGES} images", str(count), "Send them in several requests."
        )
    size = None if given.parameters is None else given.parameters.binary_data_size
    if (given.data is None) == (size is None) or (size or 0) != rest:
        raise FieldInvalid(
            "an input must come as data, or as the binary_data_size bytes that follow the JSON",
            f"{'no data' if given.data is None else 'data'}, binary_data_size {size}, and {rest} bytes after the JSON",
            f"Send one of both; {HEADER_LENGTH} must be the bytes of the JSON.",
        )


def _files(given: InferenceInput, rest: memoryview, raw: bool) -> list[bytes]:
    """The image files of BYTES."""
    count = given.shape[0]
    if raw:
        return [bytes(rest)]
    files = _unpacked(rest) if given.data is None else [_unbase64(each) for each in _flat(given.data)]
    if len(files) != count:
        raise FieldInvalid(
            f"shape {given.shape} must hold {count} images", str(len(files)), "Correct the shape."
        )
    return files


def _unpacked(rest: memoryview) -> list[bytes]:
    """Elements that each follow their length in four bytes; one more than may be where they are too many."""
    files: list[bytes] = []
    at = 0
    while at < len(rest) and len(files) <= MOST_IMAGES:
        end = at + 4 + (struct.unpack_from("<I", rest, at)[0] if at + 4 <= len(rest) else len(rest))
        if end > len(rest):
            raise FieldInvalid(
                "each element of BYTES must follow its length, four bytes little-endian",
                f"{len(rest) - at} bytes at byte {at} of the tensor, which is too few",
                f"Send the length before each file, or one file by itself with {HEADER_LENGTH}: 0.",
            )
        files.append(bytes(rest[at + 4 : end]))
        at = end
    return files


def _unbase64(value: Any) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (TypeError, ValueError):
        raise FieldInvalid(
            "data of image must be files in base64",
            "a string in another form" if isinstance(value, str) else type(value).__name__,
            f"Encode each file in base64, or send it in binary ({HEADER_LENGTH}).",
        ) from None


def _drawn(given: InferenceInput, rest: memoryview, limits: ImageLimits) -> list[bytes]:
    """RGB samples as BMP files."""
    height, width = given.shape[-3:-1]
    limits.check_size(width, height)
    shape = (given.shape[0] if len(given.shape) == 4 else 1, height, width, 3)
    samples = rest if given.data is None else _samples(given.data)
    if len(samples) != (needed := 3 * shape[0] * height * width):
        raise FieldInvalid(
            f"shape {given.shape} must hold {needed} samples", str(len(samples)), "Correct the shape."
        )
    return [encode_bmp(image) for image in np.frombuffer(samples, np.uint8).reshape(shape)]


def _samples(data: list[Any]) -> bytes:
    try:
        return bytes(_flat(data))
    except (TypeError, ValueError):
        raise FieldInvalid(
            "data of pixels must be whole numbers from 0 to 255",
            "another value",
            "Scale and round the samples.",
        ) from None


def _flat(data: list[Any]) -> list[Any]:
    """Nested lists as one, in row-major order."""
    while data and all(isinstance(each, list) for each in data):
        data = [*chain.from_iterable(data)]
    return data


def _size(data: bytes, at: int, count: int, limits: ImageLimits) -> tuple[int, int]:
    """(height, width) by the header. Raises ImageRefused, which names one image of several."""
    try:
        header = check_header(data, limits)
    except ImageRefused as error:
        raise error if count == 1 else of_image(error, at) from error
    return header.height, header.width


def of_image(error: ImageRefused, at: int) -> ImageRefused:
    """A refusal that says which image it is about, from 0."""
    return type(error)(error.requirement, f"for image {at} (from 0) {error.received}", error.remedy)


def _check_maps(sizes: Sequence[tuple[int, int]], binary: bool) -> None:
    if len(set(sizes)) > 1:
        raise one_size(sizes)
    if not binary and (count := sum(height * width for height, width in sizes)) > MOST_NUMBERS:
        raise FieldInvalid(
            f"a map in JSON may have {MOST_NUMBERS:,} values",
            f"{count:,}",
            "Ask for it in binary: the output's parameters.binary_data, true.",
        )


def one_size(sizes: Sequence[tuple[int, int]]) -> FieldInvalid:
    """The refusal of maps that are no tensor together."""
    return FieldInvalid(
        "images whose maps are answered together must have one size",
        ", ".join(sorted({f"{width} x {height}" for height, width in sizes}))[:200],
        "Send them in several requests.",
    )
