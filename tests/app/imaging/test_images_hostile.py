"""Files that no honest writer writes: whatever the bytes, the answer is an array within limits or a named refusal."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from image_files import bmp, chunk, lossless, png, samples, save, tiff, webp_extended
from PIL import Image

from app.errors import ImageCorrupt, ImageRefused, ImageTooLarge
from app.imaging.decode import ImageLimits, decode_image

W, H = 24, 20
LIMITS = ImageLimits(max_bytes=1 << 20, max_pixels=1 << 16, min_side=1)
MAGICS = [
    b"",
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    b"\xff\xd8\xff\xe0\0\x10JFIF",
    b"BM" + bytes(12) + b"\x28\0\0\0",
]
MAGICS += [
    b"II*\0\x08\0\0\0",
    b"MM\0*\0\0\0\x08",
    b"RIFF\xff\0\0\0WEBPVP8 ",
    b"RIFF\xff\0\0\0WEBPVP8X\x0a\0\0\0",
]


@cache
def valid_files() -> dict[str, bytes]:
    """One file of each format and coding."""
    colour = Image.fromarray(samples(np.random.default_rng(0), H, W, 3))
    exif = Image.Exif()
    exif[0x0112] = 6
    return lossless(colour) | {
        "PNG palette": save(colour.convert("P"), "PNG", exif=exif),
        "PNG 16 bit": png(W, H, 16, 0, bytes(2 * W * H)),
        "JPEG": save(colour, "JPEG", exif=exif),
        "JPEG progressive": save(colour, "JPEG", progressive=True),
        "JPEG CMYK": save(colour.convert("CMYK"), "JPEG"),
        "TIFF LZW": save(colour, "TIFF", compression="tiff_lzw", exif=exif),
        "TIFF JPEG": save(colour, "TIFF", compression="jpeg"),
        "TIFF CCITT": save(colour.convert("1"), "TIFF", compression="group4"),
        "WEBP lossy": save(colour.convert("RGBA"), "WEBP", exif=exif),
    }


def decodes_or_is_refused(data: bytes) -> bool:
    """Whether an array came back; anything but that or ImageRefused fails the test."""
    try:
        array = decode_image(data, LIMITS)
    except ImageRefused:
        return False
    assert array.dtype == np.uint8
    assert array.ndim == 3
    assert array.shape[2] == 3
    assert array.shape[0] * array.shape[1] <= LIMITS.max_pixels
    return True


def flipped(data: bytes, rng: np.random.Generator) -> bytes:
    """A few bytes replaced, most of them near the front, where the structure lies."""
    damaged = bytearray(data)
    for _ in range(int(rng.integers(1, 5))):
        reach = len(damaged) if rng.random() < 0.4 else min(len(damaged), 200)
        damaged[int(rng.integers(reach))] = int(rng.choice([0, 1, 0x7F, 0x80, 0xFF, rng.integers(256)]))
    return bytes(damaged)


def shortened(data: bytes, rng: np.random.Generator) -> bytes:
    return data[: int(rng.integers(len(data)))]


def spliced(data: bytes, rng: np.random.Generator) -> bytes:
    """A stretch left out or said twice."""
    start, end = sorted(int(i) for i in rng.integers(len(data), size=2))
    return data[:start] + data[end:] if rng.random() < 0.5 else data[:end] + data[start:]


@pytest.mark.parametrize("kind", valid_files())
@pytest.mark.parametrize("damage", [flipped, shortened, spliced])
def test_damaged_files_decode_or_are_refused(
    kind, damage: Callable[[bytes, np.random.Generator], bytes], rng
):
    data = valid_files()[kind]
    assert decodes_or_is_refused(data)
    for _ in range(60):
        decodes_or_is_refused(damage(data, rng))


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(st.sampled_from(MAGICS), st.binary(max_size=400))
def test_arbitrary_bytes_decode_or_are_refused(magic, rest):
    decodes_or_is_refused(magic + rest)


PIXELS = bytes(64 * 64)
IDAT = chunk(b"IDAT", zlib.compress(bytes(64 * 65)))
JPEG = save(Image.new("L", (64, 64)), "JPEG", progressive=True)
LAST_SCAN = JPEG[JPEG.rfind(b"\xff\xda") : -2]


@cache
def bombs() -> dict[str, bytes]:
    """Small files that ask for much memory or time."""
    other_size = chunk(b"IHDR", struct.pack(">IIBBBBB", 30_000, 30_000, 8, 0, 0, 0, 0))
    tile = {322: (4, [32_768]), 323: (4, [32_768]), 324: (4, [8]), 325: (4, [4096])}
    no_strips = {273: (4, []), 278: (4, []), 279: (4, [])}
    return {
        "PNG of two sizes": png(64, 64, 8, 0, PIXELS, before=other_size),
        "PNG of seventy thousand empty chunks": png(
            64, 64, 8, 0, PIXELS, data=chunk(b"IDAT", b"") * 70_000 + IDAT
        ),
        "PNG with a profile of 16 MiB": png(
            64, 64, 8, 0, PIXELS, before=chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(1 << 24)))
        ),
        "PNG with 80 MiB of text": png(
            64, 64, 8, 0, PIXELS, before=chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(1 << 20))) * 80
        ),
        "JPEG of 200 scans": JPEG[:-2] + LAST_SCAN * 200 + b"\xff\xd9",
        "JPEG of empty comments": JPEG[:2] + b"\xff\xfe\0\x02" * 100_000 + JPEG[2:],
        "JPEG of filling": JPEG[:20] + b"\xff" * 100_000 + JPEG[20:],
        "JPEG of junk": JPEG[:20] + b"\0" * 100_000 + JPEG[20:],
        "JPEG of metadata": JPEG[:2] + (b"\xff\xe1\xff\xff" + bytes(65_533)) * 150 + JPEG[2:],
        "TIFF of a hundred thousand strips": tiff(
            [PIXELS], 64, 64, extra={273: (4, [8] * 100_000), 279: (4, [1] * 100_000), 278: (4, [1])}
        ),
        "TIFF of absent strips": tiff([PIXELS[:1024]], 64, 64, extra={278: (4, [16])}),
        "TIFF tile of a gigapixel": tiff(
            [zlib.compress(PIXELS)], 64, 64, extra={259: (3, [8]), **no_strips, **tile}
        ),
        "TIFF of strips and tiles": tiff([PIXELS], 64, 64, extra=tile),
        "TIFF of no rows a strip": tiff([PIXELS], 64, 64, extra={278: (4, [0])}),
        "TIFF of no width": tiff([PIXELS], 0, 64),
        "BMP of too little data": bmp(2000, 2000, 24, 0, bytes(100)),
        "WEBP canvas over a smaller image": webp_extended(
            7000, 7000, 0, save(Image.new("L", (64, 64)), "WEBP")[12:]
        ),
    }


@pytest.mark.parametrize("name", bombs())
def test_a_bomb_is_refused_as_corrupt(name):
    with pytest.raises(ImageCorrupt):
        decode_image(bombs()[name])


def test_deflated_pixels_stop_at_the_declared_size():
    data = png(64, 64, 8, 0, PIXELS, data=chunk(b"IDAT", zlib.compress(bytes(1 << 22))))
    assert decode_image(data).shape == (64, 64, 3)


def test_sixteen_million_pixels_in_a_kilobyte_are_held_against_the_limit():
    data = png(4096, 4096, 1, 0, bytes(512 * 4096))
    assert len(data) < 4096
    with pytest.raises(ImageTooLarge):
        decode_image(data, ImageLimits(max_pixels=10_000_000))


def test_a_tiff_that_points_at_itself_is_refused():
    with pytest.raises(ImageRefused):
        decode_image(tiff([PIXELS], 64, 64, following=8 + len(PIXELS)))


def test_metadata_that_points_at_the_image_is_harmless():
    data = tiff(
        [PIXELS], 64, 64, extra={34665: (4, [8]), 34853: (4, [8 + len(PIXELS)]), 700: (1, [255] * 500)}
    )
    assert not decode_image(data).any()
