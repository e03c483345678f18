"""One documented rule for every kind of image: docs/images.md, rule by rule."""

from __future__ import annotations

import io
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from image_files import bmp, chunk, lossless, png, samples, save, tiff, webp_extended, with_jpeg_size
from PIL import Image, ImageCms

from app.errors import (
    ImageCorrupt,
    ImageEmpty,
    ImageFormatUnsupported,
    ImageManyFrames,
    ImagePixelsUnsupported,
    ImageRefused,
    ImageTooLarge,
    ImageTooSmall,
)
from app.imaging.decode import ImageLimits, decode_image, decode_photograph, read_header
from app.imaging.pictures import encode_jpeg, encode_png, thumbnail
from core.config import InputConfig

W, H = 20, 16


def gradient(width: int, height: int) -> Image.Image:
    """A smooth picture, which a reduced scale shows as well."""
    y, x = np.mgrid[:height, :width]
    return Image.fromarray(
        np.stack([255 * x // width, 255 * y // height, 128 + 60 * np.sin(x / 9)], axis=2).astype(np.uint8)
    )


def filled(grey: np.ndarray) -> np.ndarray:
    """Grey in all three channels."""
    return np.stack([grey] * 3, axis=2)


# Colours


def test_every_lossless_format_gives_the_samples_that_went_in(rng):
    pixels = samples(rng, H, W, 3)
    for kind, data in lossless(Image.fromarray(pixels)).items():
        assert np.array_equal(decode_image(data), pixels), kind


def test_the_array_is_writable_contiguous_and_owned(rng):
    for mode in ("RGB", "L", "RGBA", "P", "I;16"):
        shape, dtype = {"RGBA": ((H, W, 4), "u1"), "RGB": ((H, W, 3), "u1")}.get(mode, ((H, W), "u1"))
        if mode == "I;16":
            image = Image.frombytes("I;16", (W, H), samples(rng, H, W, dtype="<u2").tobytes())
        else:
            image = Image.fromarray(samples(rng, *shape, dtype=dtype))
        array = decode_image(save(image.convert("P") if mode == "P" else image, "PNG"))
        assert array.dtype == np.uint8
        assert array.shape == (H, W, 3)
        assert array.flags.c_contiguous
        assert array.flags.writeable


def test_a_jpeg_is_what_libjpeg_makes_of_it(rng):
    data = save(Image.fromarray(samples(rng, H, W, 3)), "JPEG", quality=90)
    assert np.array_equal(decode_image(data), np.asarray(Image.open(io.BytesIO(data))))


REDUCED = InputConfig(32, reduced_jpeg=True)


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"subsampling": 0}, {"subsampling": 2}, {"restart_marker_rows": 1}]
)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_large_jpeg_is_decoded_at_a_quarter_of_its_scale_where_the_config_says_so(mode, options):
    picture = gradient(160, 128).convert(mode)
    data = save(picture, "JPEG", quality=90, **options)
    found = decode_photograph(data, REDUCED)
    assert (found.reduced, found.pixels.shape, found.shape) == (2, (64, 80, 3), (128, 160))
    quarter = decode_photograph(
        save(gradient(320, 256).convert(mode), "JPEG", quality=90, **options), REDUCED
    )
    assert (quarter.reduced, quarter.pixels.shape, quarter.shape) == (4, (64, 80, 3), (256, 320))
    expected = np.asarray(Image.fromarray(decode_image(data)).reduce(2), int)
    assert np.abs(found.pixels.astype(int) - expected).max() <= 6
    assert found.pixels.flags.c_contiguous
    assert found.pixels.flags.writeable


def test_a_jpeg_is_decoded_whole_unless_the_config_says_so_and_its_size_allows_it():
    data = save(gradient(320, 256), "JPEG")
    for config, file in (
        (InputConfig(32), data),
        (InputConfig(160, reduced_jpeg=True), data),
        (REDUCED, save(gradient(321, 256), "JPEG")),
    ):
        found = decode_photograph(file, config)
        assert found.reduced == 1
        assert np.array_equal(found.pixels, decode_image(file))


def test_only_jpeg_is_decoded_at_a_fraction_of_its_scale():
    for kind, data in lossless(gradient(320, 256)).items():
        found = decode_photograph(data, REDUCED)
        assert (found.reduced, found.shape) == (1, (256, 320)), kind


def test_a_reduced_jpeg_is_turned_upright():
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = gradient(320, 256)
    found = decode_photograph(save(picture, "JPEG", quality=95, exif=exif), REDUCED)
    assert (found.reduced, found.shape) == (4, (320, 256))
    straight = decode_photograph(save(picture, "JPEG", quality=95), REDUCED)
    assert np.array_equal(found.pixels, np.rot90(straight.pixels, -1))


def test_a_damaged_jpeg_is_refused_at_any_scale():
    data = save(gradient(320, 256), "JPEG", quality=90)
    with pytest.raises(ImageCorrupt):
        decode_photograph(data[: len(data) // 2], REDUCED)
    with pytest.raises(ImageTooLarge):
        decode_photograph(data, REDUCED, ImageLimits(max_pixels=320 * 256 - 1))


def test_grey_fills_all_three_channels(rng):
    grey = samples(rng, H, W)
    for kind, data in lossless(Image.fromarray(grey)).items():
        assert np.array_equal(decode_image(data), filled(grey)), kind


def test_a_grey_jpeg_fills_all_three_channels(rng):
    array = decode_image(save(Image.fromarray(samples(rng, H, W)), "JPEG"))
    assert np.array_equal(array, filled(array[..., 0]))


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
def test_one_bit_is_black_or_white(rng, kind):
    bits = rng.random((H, W)) < 0.5
    assert np.array_equal(decode_image(save(Image.fromarray(bits), kind)), filled(bits * np.uint8(255)))


@pytest.mark.parametrize("depth", [2, 4])
def test_two_and_four_bits_spread_over_the_byte(rng, depth):
    values = rng.integers(0, 2**depth, (H, W)).astype("u1")
    bits = np.unpackbits(values[..., None], axis=2)[..., -depth:]
    data = png(W, H, depth, 0, np.packbits(bits.reshape(H, -1), axis=1).tobytes())
    assert np.array_equal(decode_image(data), filled(values * np.uint8(255 // (2**depth - 1))))


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "BMP"])
def test_alpha_is_dropped_even_where_nothing_would_show(rng, kind):
    pixels = samples(rng, H, W, 4)
    pixels[: H // 2, :, 3] = 0
    options = {"WEBP": {"lossless": True, "exact": True}}.get(kind, {})
    data = save(Image.fromarray(pixels), kind, **options)
    assert np.array_equal(decode_image(data), pixels[..., :3])


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_grey_alpha_is_dropped(rng, kind):
    pixels = samples(rng, H, W, 2)
    assert np.array_equal(decode_image(save(Image.fromarray(pixels), kind)), filled(pixels[..., 0]))


def test_premultiplied_colours_are_divided_by_their_alpha():
    stored = np.broadcast_to(np.array([50, 25, 0, 128], dtype="u1"), (H, W, 4))
    array = decode_image(tiff([stored.tobytes()], W, H, (8,) * 4, 2, extra={338: (3, [1])}))
    assert np.abs(array[0, 0].astype(int) - [100, 50, 0]).max() <= 1
    grey = np.broadcast_to(np.array([50, 128], dtype="u1"), (H, W, 2))
    array = decode_image(tiff([grey.tobytes()], W, H, (8, 8), 1, extra={338: (3, [1])}))
    assert np.abs(array[0, 0].astype(int) - 100).max() <= 1


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
def test_a_palette_gives_its_colours(rng, kind):
    palette, indices = samples(rng, 256, 3), samples(rng, H, W)
    image = Image.fromarray(indices)
    image.putpalette(palette.tobytes())
    assert np.array_equal(decode_image(save(image, kind)), palette[indices])


@pytest.mark.parametrize("transparency", [3, bytes(range(255, -1, -1))])
def test_palette_transparency_is_dropped(rng, transparency):
    palette, indices = samples(rng, 256, 3), samples(rng, H, W)
    image = Image.fromarray(indices)
    image.putpalette(palette.tobytes())
    assert np.array_equal(decode_image(save(image, "PNG", transparency=transparency)), palette[indices])


def test_a_palette_with_alpha_gives_its_colours(rng):
    indices = samples(rng, H, W, 2)
    ramp = [*range(256), *range(255, -1, -1), *([7] * 256)]
    data = tiff(
        [indices.tobytes()], W, H, (8, 8), 3, extra={338: (3, [2]), 320: (3, [v * 257 for v in ramp])}
    )
    expected = np.stack([indices[..., 0], 255 - indices[..., 0], np.full((H, W), 7)], axis=2)
    assert np.array_equal(decode_image(data), expected)


# 16 bits: the high byte, never a stretch


def test_sixteen_bit_grey_png_keeps_the_high_byte(rng):
    values = samples(rng, H, W, dtype=">u2")
    assert np.array_equal(
        decode_image(png(W, H, 16, 0, values.tobytes())), filled((values >> 8).astype("u1"))
    )


def test_a_dark_sixteen_bit_image_stays_dark():
    values = np.linspace(0, 4095, H * W).reshape(H, W).astype(">u2")
    assert decode_image(png(W, H, 16, 0, values.tobytes())).max() == 15


@pytest.mark.parametrize(("colour", "channels"), [(2, 3), (4, 2), (6, 4)])
def test_sixteen_bit_colour_and_alpha_png_keep_the_high_byte(rng, colour, channels):
    values = samples(rng, H, W, channels, dtype=">u2")
    high = (values >> 8).astype("u1")
    expected = filled(high[..., 0]) if channels == 2 else high[..., :3]
    assert np.array_equal(decode_image(png(W, H, 16, colour, values.tobytes())), expected)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("deflate", [False, True])
def test_sixteen_bit_tiff_keeps_the_high_byte_in_both_byte_orders(rng, order, deflate):
    extra = {259: (3, [8])} if deflate else {}
    pack = zlib.compress if deflate else bytes
    grey = samples(rng, H, W, dtype=order + "u2")
    data = tiff([pack(grey.tobytes())], W, H, (16,), 1, order, extra)
    assert np.array_equal(decode_image(data), filled((grey >> 8).astype("u1")))
    rgb = samples(rng, H, W, 3, dtype=order + "u2")
    data = tiff([pack(rgb.tobytes())], W, H, (16,) * 3, 2, order, extra)
    assert np.array_equal(decode_image(data), (rgb >> 8).astype("u1"))


def test_twelve_bit_grey_keeps_the_eight_highest(rng):
    values = rng.integers(0, 4096, (H, W))
    nibbles = np.stack([values >> 8, values >> 4 & 15, values & 15], axis=2).reshape(-1, 2)
    packed = (nibbles[:, 0] << 4 | nibbles[:, 1]).astype("u1").tobytes()
    assert np.array_equal(decode_image(tiff([packed], W, H, (12,))), filled((values >> 4).astype("u1")))


def test_white_is_zero_is_turned_at_every_depth(rng):
    grey, deep = samples(rng, H, W), samples(rng, H, W, dtype="<u2")
    assert np.array_equal(decode_image(tiff([grey.tobytes()], W, H, (8,), 0)), filled(255 - grey))
    expected = filled((65535 - deep >> 8).astype("u1"))
    assert np.array_equal(decode_image(tiff([deep.tobytes()], W, H, (16,), 0)), expected)


# CMYK

INKS = {(255, 0, 0, 0): (0, 255, 255), (0, 255, 0, 0): (255, 0, 255), (0, 0, 255, 0): (255, 255, 0)}
INKS |= {(0, 0, 0, 255): (0, 0, 0), (0, 0, 0, 0): (255, 255, 255), (0, 0, 0, 55): (200, 200, 200)}


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
@pytest.mark.parametrize(("ink", "colour"), INKS.items())
def test_cmyk_inks_give_their_colours(kind, ink, colour):
    array = decode_image(save(Image.new("CMYK", (W, H), ink), kind))
    assert np.abs(array.astype(int) - colour).max() <= 2


def test_ycck_jpeg_gives_its_colours():
    # Adobe's marker says YCCK (2); Pillow writes inverted samples, so here Y = 200, Cb = Cr = 128, K = 255
    data = bytearray(save(Image.new("CMYK", (W, H), (55, 127, 127, 0)), "JPEG"))
    data[data.find(b"Adobe") + 11] = 2
    assert np.abs(decode_image(bytes(data)).astype(int) - 55).max() <= 2


def test_a_colour_profile_is_ignored(rng):
    pixels = samples(rng, H, W, 3)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for kind in ("PNG", "TIFF"):
        assert np.array_equal(decode_image(save(Image.fromarray(pixels), kind, icc_profile=profile)), pixels)


# Other layouts


def test_a_bmp_from_the_top_down_is_the_right_way_up(rng):
    pixels = samples(rng, H, W, 3)
    assert np.array_equal(decode_image(bmp(W, -H, 24, 0, pixels[..., ::-1].tobytes())), pixels)


def test_tiff_strips_planes_and_tiles_fall_into_place(rng):
    pixels = samples(rng, H, W, 3)
    strips = [pixels[y : y + 4].tobytes() for y in range(0, H, 4)]
    assert np.array_equal(decode_image(tiff(strips, W, H, (8,) * 3, 2, extra={278: (4, [4])})), pixels)
    planes = [pixels[..., i].tobytes() for i in range(3)]
    assert np.array_equal(decode_image(tiff(planes, W, H, (8,) * 3, 2, extra={284: (3, [2])})), pixels)
    padded = np.zeros((16, 32, 3), dtype="u1")
    padded[:, :W] = pixels
    tiles = [padded[:, x : x + 16].tobytes() for x in (0, 16)]
    places = {322: (4, [16]), 323: (4, [16]), 324: (4, [8, 8 + 768]), 325: (4, [768, 768])}
    data = tiff(tiles, W, H, (8,) * 3, 2, extra={273: (4, []), 278: (4, []), 279: (4, []), **places})
    assert np.array_equal(decode_image(data), pixels)


def test_jpeg_inside_tiff_is_read(rng):
    image = Image.fromarray(np.full((H, W, 3), (200, 100, 50), dtype="u1"))
    assert (
        np.abs(decode_image(save(image, "TIFF", compression="jpeg")).astype(int) - (200, 100, 50)).max() <= 2
    )


# Orientation: the sides of the picture on which the stored first row and first column lie (EXIF 2.32, tag 0x0112)

SIDES = {1: "top left", 2: "top right", 3: "bottom right", 4: "bottom left"}
SIDES |= {5: "left top", 6: "right top", 7: "right bottom", 8: "left bottom"}
INNER = {
    "top": (0, slice(1, -1)),
    "bottom": (-1, slice(1, -1)),
    "left": (slice(1, -1), 0),
    "right": (slice(1, -1), -1),
}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", SIDES)
def test_every_orientation_is_turned_upright(kind, orientation):
    stored = np.zeros((48, 64), dtype="u1")
    stored[:, :16], stored[:16] = 100, 200
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = save(Image.fromarray(stored), kind, exif=exif, **({"lossless": True} if kind == "WEBP" else {}))
    array = decode_image(data).astype(int)
    row, column = SIDES[orientation].split()
    assert array.shape[:2] == ((48, 64) if orientation < 5 else (64, 48))
    assert np.abs(array[INNER[row]][20:-20] - 200).max() <= 4
    assert np.abs(array[INNER[column]][20:-20] - 100).max() <= 4


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_outside_one_to_eight_is_upright(rng, orientation):
    pixels = samples(rng, H, W, 3)
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert np.array_equal(decode_image(save(Image.fromarray(pixels), "PNG", exif=exif)), pixels)


@pytest.mark.parametrize(
    "exif", [b"no exif at all", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff"]
)
def test_broken_metadata_leaves_the_pixels_standing(rng, exif):
    pixels = samples(rng, H, W, 3)
    assert np.array_equal(decode_image(save(Image.fromarray(pixels), "PNG", exif=exif)), pixels)


def test_sixteen_bit_grey_is_turned_too(rng):
    values = samples(rng, H, W, dtype="<u2")
    data = tiff([values.tobytes()], W, H, (16,), extra={274: (3, [6])})
    assert np.array_equal(decode_image(data), filled(np.rot90(values >> 8, -1).astype("u1")))


# Limits, held against the header


def huge_files() -> dict[str, bytes]:
    """30,000 x 30,000 pixels declared, next to none there."""
    small = Image.new("RGB", (W, H))
    return {
        "PNG": png(30_000, 30_000, 8, 2, b"", data=chunk(b"IDAT", zlib.compress(bytes(1000)))),
        "JPEG": with_jpeg_size(save(small, "JPEG"), 30_000, 30_000),
        "BMP": bmp(30_000, 30_000, 24, 0, bytes(100)),
        "BMP top down": bmp(30_000, -30_000, 24, 0, bytes(100)),
        "TIFF": tiff([bytes(100)], 30_000, 30_000),
        "WEBP": webp_extended(30_000, 30_000, 0, save(small, "WEBP")[12:]),
    }


@pytest.mark.parametrize("kind", huge_files())
def test_thirty_thousand_squared_is_refused_before_decoding(kind):
    data = huge_files()[kind]
    assert (read_header(data).width, read_header(data).height) == (30_000, 30_000)
    with pytest.raises(ImageTooLarge, match="30,000 x 30,000"):
        decode_image(data)


def test_the_pixel_limit_is_the_last_size_that_passes(rng):
    for kind, data in lossless(Image.fromarray(samples(rng, H, W, 3))).items():
        assert decode_image(data, ImageLimits(max_pixels=W * H)).shape == (H, W, 3), kind
        with pytest.raises(ImageTooLarge):
            decode_image(data, ImageLimits(max_pixels=W * H - 1))


def test_the_byte_limit_is_the_last_length_that_passes(rng):
    data = save(Image.fromarray(samples(rng, H, W, 3)), "PNG")
    assert decode_image(data, ImageLimits(max_bytes=len(data))).shape == (H, W, 3)
    with pytest.raises(ImageTooLarge):
        decode_image(data, ImageLimits(max_bytes=len(data) - 1))


@pytest.mark.parametrize("size", [(1, 1), (15, 400), (400, 15)])
def test_a_side_below_sixteen_pixels_is_too_small(size):
    for kind, data in lossless(Image.new("RGB", size)).items():
        with pytest.raises(ImageTooSmall, match=f"{size[0]} x {size[1]}"):
            decode_image(data)
        assert decode_image(data, ImageLimits(min_side=1)).shape == (size[1], size[0], 3), kind


# Refusals


def test_no_bytes_are_empty():
    with pytest.raises(ImageEmpty):
        decode_image(b"")


@pytest.mark.parametrize(
    "data",
    [
        b"not an image\n",
        b"\0",
        b"BMW is not a bitmap",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%!PS-Adobe-3.0 EPSF-3.0",
        b"RIFF\x24\0\0\0WAVEfmt ",
        b"II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0",
        save(Image.new("L", (W, H)), "GIF"),
        save(Image.new("L", (W, H)), "PPM"),
        save(Image.new("L", (32, 32)), "ICO"),
    ],
)
def test_other_content_is_unsupported_whatever_its_name(data):
    with pytest.raises(ImageFormatUnsupported, match="PNG, JPEG, BMP, TIFF"):
        decode_image(data)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.5, 0.9])
def test_a_truncated_file_is_corrupt(rng, share):
    image = Image.fromarray(samples(rng, 64, 48, 3))
    files = lossless(image) | {"JPEG": save(image, "JPEG"), "lossy WEBP": save(image, "WEBP")}
    for data in files.values():
        with pytest.raises(ImageCorrupt):
            decode_image(data[: int(len(data) * share)])


def test_a_png_without_its_last_bytes_is_corrupt_though_its_pixels_are_there(rng):
    data = save(Image.fromarray(samples(rng, H, W)), "PNG")
    with pytest.raises(ImageCorrupt, match="before its end"):
        decode_image(data[:-12])


def test_bytes_after_the_end_do_no_harm(rng):
    pixels = samples(rng, H, W, 3)
    for data in lossless(Image.fromarray(pixels)).values():
        assert np.array_equal(decode_image(data + bytes(100)), pixels)


def animations() -> dict[str, bytes]:
    frames = [Image.new("RGB", (W, H), colour) for colour in ("red", "green", "blue")]
    return {
        kind: save(frames[0], kind, save_all=True, append_images=frames[1:])
        for kind in ("PNG", "WEBP", "TIFF")
    }


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_more_than_one_frame_is_refused(kind):
    with pytest.raises(ImageManyFrames):
        decode_image(animations()[kind])


def test_the_first_picture_of_a_jpeg_is_the_image():
    pictures = [Image.new("RGB", (W, H), colour) for colour in ("red", "blue")]
    array = decode_image(save(pictures[0], "MPO", save_all=True, append_images=pictures[1:]))
    assert np.abs(array.astype(int) - (255, 0, 0)).max() <= 2


def unreadable_pixels() -> dict[str, bytes]:
    data = bytes(4 * W * H)
    jpeg = bytearray(save(Image.new("L", (W, H)), "JPEG"))
    jpeg[jpeg.find(b"\xff\xc0") + 4] = 12
    return {
        "float": save(Image.new("F", (W, H)), "TIFF"),
        "32-bit integers": save(Image.new("I", (W, H)), "TIFF"),
        "unsigned 32-bit integers": tiff([data], W, H, (32,)),
        "signed 16-bit integers": tiff([data], W, H, (16,), extra={339: (3, [2])}),
        "signed bytes": tiff([data], W, H, (8,), extra={339: (3, [2])}),
        "CIELAB": tiff([data], W, H, (8,) * 3, 8),
        "raw YCbCr": tiff([data], W, H, (8,) * 3, 6),
        "raw 16-bit planes": tiff([data] * 3, W, H, (16,) * 3, 2, extra={284: (3, [2])}),
        "seven bands": tiff([data * 2], W, H, (8,) * 7, 1),
        "old JPEG in TIFF": tiff([data], W, H, extra={259: (3, [6])}),
        "run-length BMP": bmp(W, H, 8, 1, data),
        "JPEG in BMP": bmp(W, H, 24, 4, data),
        "12-bit JPEG": bytes(jpeg),
    }


@pytest.mark.parametrize("kind", unreadable_pixels())
def test_pixels_without_a_rule_are_refused_by_name(kind):
    with pytest.raises(ImagePixelsUnsupported):
        decode_image(unreadable_pixels()[kind])


def test_a_refusal_says_requirement_received_and_remedy():
    with pytest.raises(ImageRefused) as caught:
        decode_image(b"text")
    assert caught.value.received == "4 bytes that begin with b'text'"
    assert str(caught.value).startswith(caught.value.requirement)
    assert caught.value.remedy in str(caught.value)


# Threads and warnings


def test_threads_decode_alike_and_no_warning_of_pillow_escapes(rng):
    beyond = struct.pack("<H", 3) + struct.pack("<HHII", 0x9000, 2, 64, 1 << 30)  # EXIF that Pillow warns of
    files = list(lossless(Image.fromarray(samples(rng, H, W, 3))).values())
    files.append(tiff([samples(rng, H, W).tobytes() + beyond], W, H, extra={34665: (4, [8 + W * H])}))
    alone = [decode_image(data) for data in files]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(decode_image, files * 20))
    assert all(np.array_equal(a, b) for a, b in zip(alone * 20, together, strict=True))


# Encoding


def test_png_keeps_every_pixel(rng):
    for pixels in (samples(rng, H, W, 3), samples(rng, H, W)):
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(encode_png(pixels)))), pixels)


def test_jpeg_keeps_the_look():
    pixels = np.full((H, W, 3), (10, 200, 90), dtype="u1")
    assert np.abs(decode_image(encode_jpeg(pixels)).astype(int) - pixels).max() <= 2


def test_a_thumbnail_fits_its_side_and_is_never_enlarged():
    assert Image.open(io.BytesIO(thumbnail(np.zeros((300, 600, 3), dtype="u1"), side=100))).size == (100, 50)
    assert Image.open(io.BytesIO(thumbnail(np.zeros((30, 60, 3), dtype="u1"), side=100))).size == (60, 30)


def test_the_documented_limits_are_the_defaults():
    text = (Path(__file__).parents[3] / "docs" / "images.md").read_text()
    limits = ImageLimits()
    assert f"| {limits.max_bytes:,} (64 MiB) |" in text
    assert f"| {limits.max_pixels:,} |" in text
    assert f"| {limits.min_side} |" in text
