"""The directory of a TIFF (TIFF 6.0): size, sample layout, and whether its one page can be read by the rules.

Pillow reads some layouts wrongly without a word: raw 16-bit planes, signed bytes, absent strips. Not here.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from math import ceil, prod

from app.imaging.header import Header, corrupt, many_frames, unsupported_pixels

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_STRIPS, _SAMPLES, _ROWS_PER_STRIP, _PLANAR = 273, 277, 278, 284
_TILE_WIDTH, _TILE_HEIGHT, _TILES, _SAMPLE_FORMAT = 322, 323, 324, 339

_RAW, _JPEG, _YCBCR = 1, 7, 6
_COMPRESSIONS = (_RAW, 2, 3, 4, 5, _JPEG, 8, 32773, 32946, 50000)  # CCITT, LZW, deflate, PackBits, Zstandard
_PHOTOMETRICS = (0, 1, 2, 3, 5, _YCBCR)  # white-is-zero, black-is-zero, RGB, palette, CMYK
_UNSIGNED = {1, 4}  # 4: "undefined", which writers use for unsigned
_MAX_NUMBERS = 65_536  # in one tag: a strip a row of the tallest image
_MAX_SAMPLES = 6  # CMYK and two more
_KINDS = {3: ("H", 2), 4: ("I", 4)}  # SHORT, LONG
_KINDS_OF_BYTES = (1, 2, 6, 7)


@dataclass(frozen=True)
class _Directory:
    """Tags of one page: number -> (kind, count, place of its values or of their address)."""

    data: bytes
    order: str
    entries: dict[int, tuple[int, int, int]]
    following: int

    def numbers(self, tag: int, *default: int) -> tuple[int, ...]:
        """The unsigned integers of a tag, or ``default`` where it is absent or of another kind."""
        kind, count, place = self.entries.get(tag, (0, 0, 0))
        if kind not in _KINDS or count == 0:
            return default
        letter, size = _KINDS[kind]
        if size * count > 4:
            (place,) = struct.unpack_from(self.order + "I", self.data, place)
        return struct.unpack_from(f"{self.order}{count}{letter}", self.data, place)


def read_tiff_header(data: bytes) -> Header:
    """Size and grey depth of a TIFF of one page.

    Raises ImageManyFrames, ImagePixelsUnsupported, ImageCorrupt; struct.error where the file ends too early.
    """
    page = _directory(data)
    if page.following:
        raise many_frames("a TIFF of several pages")
    width, height = page.numbers(_WIDTH, 0)[0], page.numbers(_HEIGHT, 0)[0]
    bits = max(page.numbers(_BITS, 1))
    photometric = page.numbers(_PHOTOMETRIC, 0)[0]
    _check_samples(page, bits, photometric)
    _check_pieces(page, width, height)
    return Header("TIFF", width, height, bits=bits, white_is_zero=photometric == 0)


def _directory(data: bytes) -> _Directory:
    order = "<" if data.startswith(b"II") else ">"
    (start,) = struct.unpack_from(order + "I", data, 4)
    (count,) = struct.unpack_from(order + "H", data, start)
    entries = {}
    for place in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind, numbers = struct.unpack_from(order + "HHI", data, place)
        if numbers > _MAX_NUMBERS and kind not in _KINDS_OF_BYTES:
            raise corrupt(f"a TIFF whose tag {tag} holds {numbers:,} numbers, above {_MAX_NUMBERS:,}")
        entries[tag] = (kind, numbers, place + 8)
    (following,) = struct.unpack_from(order + "I", data, start + 2 + 12 * count)
    return _Directory(data, order, entries, following)


def _check_samples(page: _Directory, bits: int, photometric: int) -> None:
    compression = page.numbers(_COMPRESSION, _RAW)[0]
    if compression not in _COMPRESSIONS:
        raise unsupported_pixels(f"a TIFF with compression {compression}")
    if photometric not in _PHOTOMETRICS or (photometric == _YCBCR and compression != _JPEG):
        raise unsupported_pixels(f"a TIFF with photometric interpretation {photometric}")
    if bits > 16 or not _UNSIGNED.issuperset(page.numbers(_SAMPLE_FORMAT, 1)):
        raise unsupported_pixels(f"a TIFF of {bits} bits a sample that are floats, signed or wider than 16")
    if (samples := page.numbers(_SAMPLES, 1)[0]) > _MAX_SAMPLES:
        raise unsupported_pixels(f"a TIFF of {samples:,} samples a pixel")
    if page.numbers(_PLANAR, 1)[0] == 2 and compression == _RAW and bits != 8:
        raise unsupported_pixels(f"an uncompressed TIFF of {bits} bits a sample in separate planes")


def _check_pieces(page: _Directory, width: int, height: int) -> None:
    """Strips or tiles must cover the image, and a tile must not be a far larger image in disguise."""
    tiled = not page.entries.keys().isdisjoint((_TILE_WIDTH, _TILE_HEIGHT, _TILES))
    if tiled and _STRIPS in page.entries:  # readers differ in which of the two they believe
        raise corrupt("a TIFF that states both strips and tiles")
    if tiled:
        across, down = page.numbers(_TILE_WIDTH, 0)[0], page.numbers(_TILE_HEIGHT, 0)[0]
    else:
        across, down = width, min(page.numbers(_ROWS_PER_STRIP, height)[0], height)
    if min(width, height, across, down) < 1 or across > max(2 * width, 1024) or down > max(2 * height, 1024):
        raise corrupt(f"a TIFF of {width:,} x {height:,} pixels in pieces of {across:,} x {down:,}")
    planes = page.numbers(_SAMPLES, 1)[0] if page.numbers(_PLANAR, 1)[0] == 2 else 1
    needed = prod((ceil(width / across), ceil(height / down), planes))
    stated = page.entries.get(_TILES if tiled else _STRIPS, (0, 0, 0))[1]
    if stated < needed:
        raise corrupt(f"a TIFF of {needed:,} pieces that states {stated:,}")
