"""Images as callers have them: each form is sent with every value kept, or refused with what to do."""

from __future__ import annotations

import io
import struct
import tempfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from live_server import picture, taught_server
from PIL import Image

from app.imaging.decode import decode_image
from nominal_client import BadArgument, Client
from nominal_client.images import PILLOW_MODES, content_bytes, each_given, given


def pixels(shape: tuple[int, ...], kind: str) -> np.ndarray:
    native = np.dtype(kind).newbyteorder("=")
    return np.random.default_rng(7).integers(0, np.iinfo(kind).max, shape, native, endpoint=True).astype(kind)


def sent(image: Any) -> bytes:
    name, content = given(image)
    assert name is None
    return content_bytes(content)


# Pixels


@pytest.mark.parametrize("kind", ["uint8", "uint16", ">u2"])
@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (5, 7, 3), (1, 1), (3, 300, 3)])
def test_an_array_comes_back_value_for_value(shape: tuple[int, ...], kind: str) -> None:
    array = pixels(shape, kind)
    read = read_png(sent(array))
    assert read.dtype == np.dtype(kind).newbyteorder("=")
    np.testing.assert_array_equal(read, array.reshape(read.shape))


def read_png(data: bytes) -> np.ndarray:
    """A PNG's samples by the letter of the specification: chunks with their sums, rows without a filter."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, at = {}, 8
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        body = data[at + 8 : at + 8 + length]
        assert struct.unpack_from(">I", data, at + 8 + length) == (zlib.crc32(kind + body),)
        chunks[kind] = body
        at += 12 + length
    width, height, bits, colour, *rest = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert rest == [0, 0, 0]
    samples = {0: 1, 2: 3}[colour]
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, -1)
    assert not rows[:, 0].any()  # the filter of each row: none
    values = rows[:, 1:].copy().view({8: ">u1", 16: ">u2"}[bits])
    return values.reshape((height, width) if samples == 1 else (height, width, 3)).astype(f"u{bits // 8}")


@pytest.mark.parametrize("array", [pixels((40, 50), "uint8"), pixels((40, 50, 3), "uint8")])
def test_pillow_reads_an_array_as_it_was(array: np.ndarray) -> None:
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(sent(array)))), array)


def test_a_view_of_an_array_is_sent_as_it_looks() -> None:
    blue_first = pixels((32, 32, 3), "uint8")
    read = Image.open(io.BytesIO(sent(blue_first[::-1, ::2, ::-1])))
    np.testing.assert_array_equal(np.asarray(read), blue_first[::-1, ::2, ::-1])


@pytest.mark.parametrize("mode", PILLOW_MODES)
def test_a_pillow_image_comes_back_value_for_value(mode: str) -> None:
    image = Image.fromarray(pixels((9, 11), "uint16"))
    image = (
        image if mode == "I;16" else Image.fromarray(pixels((9, 11, 3), "uint8")).convert(mode.split(";")[0])
    )
    if mode == "I;16B":
        image = Image.frombytes(mode, (11, 9), pixels((9, 11), ">u2").tobytes())
    read = Image.open(io.BytesIO(sent(image)))
    np.testing.assert_array_equal(np.asarray(read, np.uint16), np.asarray(image, np.uint16))


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_a_pillow_image_keeps_the_orientation_that_its_file_states(tmp_path: Path, suffix: str) -> None:
    exif, file = Image.Exif(), tmp_path / f"turned.{suffix}"
    exif[0x0112] = 6
    Image.fromarray(pixels((40, 60, 3), "uint8")).save(file, exif=exif)
    with Image.open(file) as image:
        seen = decode_image(sent(image))
    assert seen.shape[:2] == (60, 40)
    np.testing.assert_array_equal(seen, decode_image(file.read_bytes()))


@pytest.mark.parametrize(
    ("array", "remedy"),
    [
        (np.zeros((4, 4), np.float32), "astype"),
        (np.zeros((4, 4), np.int64), "astype"),
        (np.zeros((4, 4), np.bool_), "astype"),
        (np.zeros((4, 4, 4), np.uint8), r"array\[\.\.\., :3\]"),
        (np.zeros((3, 40, 40), np.uint8), r"transpose\(1, 2, 0\)"),
        (np.zeros((2, 4, 4, 3), np.uint8), r"list\(array\)"),
        (np.zeros((0, 4), np.uint8), "one image"),
        (np.zeros(4, np.uint8), "one image"),
        (np.zeros((), np.uint8), "one image"),
    ],
)
def test_an_array_that_is_not_an_image_is_refused_with_what_mends_it(array: np.ndarray, remedy: str) -> None:
    with pytest.raises(BadArgument, match=remedy) as caught:
        given(array)
    assert array.dtype.name in str(caught.value.received)


@pytest.mark.parametrize("mode", ["F", "I", "CMYK", "HSV", "LAB", "YCbCr"])
def test_a_mode_that_png_cannot_keep_is_refused_by_its_name(mode: str) -> None:
    with pytest.raises(BadArgument, match=f"mode {mode}.*convert") as caught:
        given(Image.new(mode, (4, 4)))
    assert caught.value.requirement
    assert caught.value.remedy


@pytest.mark.parametrize("image", [None, 7, ["a.png"], {"image": b""}, object()])
def test_anything_else_is_refused_by_its_type(image: Any) -> None:
    with pytest.raises(BadArgument, match="path, bytes") as caught:
        given(image)
    assert str(caught.value.received).endswith(type(image).__name__)


# Files and names


def test_a_file_is_read_from_where_it_stands_under_its_name(tmp_path: Path) -> None:
    (tmp_path / "part 7.png").write_bytes(b"__" + picture(7))
    with (tmp_path / "part 7.png").open("rb") as file:
        file.seek(2)
        assert given(file) == ("part 7.png", picture(7))
        with pytest.raises(BadArgument, match=r"seek\(0\)"):
            given(file)
    with (tmp_path / "words").open("w+") as text:
        text.write("words")
        text.seek(0)
        with pytest.raises(BadArgument, match="mode 'rb'"):
            given(text)
    with tempfile.TemporaryFile() as nameless:  # whose name is a number
        nameless.write(picture(7))
        nameless.seek(0)
        assert given(nameless) == (None, picture(7))


def test_several_images_have_names_and_one_is_a_list_of_one(tmp_path: Path) -> None:
    one, array = picture(1), np.zeros((4, 4), np.uint8)
    several = [
        one,
        tmp_path / "b.png",
        ("c.png", one),
        ("d.png", tmp_path / "b.png"),
        str(tmp_path / "e.png"),
        array,
    ]
    names = [name for name, _ in each_given(several)]
    assert names == ["image-1.png", "b.png", "c.png", "d.png", "e.png", "image-6.png"]
    assert each_given(b"what") == [("image-1", b"what")]
    for single in (
        one,
        bytearray(one),
        io.BytesIO(one),
        ("c.png", one),
        array,
        Image.new("L", (4, 4)),
        "e.png",
    ):
        assert len(each_given(single)) == 1, type(single)
    assert [name for name, _ in each_given(("a.png", "b.png"))] == ["a.png", "b.png"]
    assert [name for name, _ in each_given(list(np.zeros((2, 4, 4), np.uint8)))] == [
        "image-1.png",
        "image-2.png",
    ]


# Against the service


@pytest.fixture(scope="module")
def caps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with taught_server(tmp_path_factory.mktemp("service")) as client:
        yield client


FORMS: dict[str, Callable[[Path], Any]] = {
    "text": str,
    "bytes": Path.read_bytes,
    "bytearray": lambda path: bytearray(path.read_bytes()),
    "memoryview": lambda path: memoryview(path.read_bytes()),
    "file": lambda path: path.open("rb"),
    "pillow": Image.open,
    "array": lambda path: np.asarray(Image.open(path)),
    "colour": lambda path: np.asarray(Image.open(path).convert("RGB")),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_every_form_of_an_image_has_the_score_of_its_file(caps: Client, tmp_path: Path, form: str) -> None:
    path = tmp_path / "part 7.png"
    path.write_bytes(picture(7, flaw=True))
    expected, image = caps.inspect("caps", path), FORMS[form](path)
    found = caps.inspect("caps", image)
    assert (found.score, found.regions) == (expected.score, expected.regions)
    assert found.name == ("part 7.png" if form in ("text", "file") else None)
    assert caps.inspect("caps", ("named.png", FORMS[form](path))).name == "named.png"


def test_a_batch_and_an_upload_take_every_form_too(caps: Client, tmp_path: Path) -> None:
    path = tmp_path / "part 7.png"
    path.write_bytes(picture(7, flaw=True))
    array = np.asarray(Image.open(io.BytesIO(picture(8))))
    batch = caps.inspect_batch("caps", [path, array, ("third", Image.open(io.BytesIO(picture(9))))])
    assert [item.name for item in batch.items] == ["part 7.png", "image-2.png", "third"]
    assert all(item.inspection is not None for item in batch.items)
    caps.create_bank("forms")
    uploaded = caps.upload_images("forms", [array, picture(9), ("third.png", picture(10))], serials="A")
    assert [file.name for file in uploaded.files] == ["image-1.png", "image-2.png", "third.png"]
    assert (uploaded.accepted, uploaded.rejected) == (3, 0)
    assert caps.upload_images("forms", ("fourth.png", picture(11))).accepted == 1
    with pytest.raises(BadArgument, match="astype"):
        caps.inspect_batch("caps", [array.astype(np.float32)])
