"""Files looked over: the unreadable named and left aside, unused bits seen, another product told."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from fakes import random_backbone
from parts import parts
from PIL import Image

from app.errors import ImagePixelsUnsupported, ImageUnreadable
from app.imaging.decode import decode_image, decode_photograph
from app.imaging.folders import list_images
from app.imaging.pictures import encode_png
from app.learning.learn import Hooks
from app.learning.screening import Screened, Source, file_sources, screened
from bench.bursts import castings
from core.config import DetectorConfig, InputConfig
from core.errors import Cancelled, TooFewImages
from core.groups import by_parts, by_photograph
from models.backbone import load_backbone
from nominal_client.folders import relative_names
from nominal_client.litter import LeftOut, left_out

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"
CONFIG = DetectorConfig(input=InputConfig(64))


def sources(images: list[np.ndarray]) -> list[Source]:
    return [(f"{i:03d}.png", lambda image=image: encode_png(image)) for i, image in enumerate(images)]


def wide(highest: int, seed: int = 0) -> bytes:
    """A grey PNG of 16 bits a sample, none above ``highest``."""
    values = np.random.default_rng(seed).integers(0, highest, (64, 64)).astype(np.uint16)
    values[0, 0] = highest
    file = io.BytesIO()
    Image.fromarray(values).save(file, "PNG")
    return file.getvalue()


def bits(data: bytes) -> tuple[int, int] | None:
    return decode_photograph(data, InputConfig(64)).bits


def test_an_unreadable_image_is_named_and_the_others_are_looked_over():
    def lost() -> bytes:
        raise ImageUnreadable(requirement="A", received="nothing", remedy="b")

    images = sources(parts(12))
    images[3] = ("broken.png", lambda: b"no image")
    images[7] = ("lost.png", lost)
    said: list[str] = []
    labels = by_parts([str(i // 2) for i in range(12)])
    document = screened(images, random_backbone(), CONFIG, Hooks(say=said.append), groups=labels).document()
    assert document["images"] == 10
    assert [each["image"] for each in document["unreadable"]] == ["broken.png", "lost.png"]
    assert "broken.png" in document["unreadable"][0]["reason"]
    assert "Left aside because they cannot be read: 2." in document["says"]
    assert len(said) == 2
    assert document["groups"][1]["images"] == ["002.png"], "its sibling cannot be read"


def test_too_few_that_can_be_read_are_refused_with_both_numbers():
    with pytest.raises(TooFewImages, match="received none"):
        screened([], random_backbone(), CONFIG)
    with pytest.raises(TooFewImages, match="received 1"):
        screened(sources(parts(1)), random_backbone(), CONFIG)
    images = [*sources(parts(1)), ("a.png", lambda: b"x"), ("b.png", lambda: b"")]
    with pytest.raises(TooFewImages, match="3, of which 2 cannot be read"):
        screened(images, random_backbone(), CONFIG)


def test_it_stops_when_asked_and_tells_its_progress():
    stages: list[str] = []

    def progress(stage: str, done: int, total: int) -> None:
        stages.append(stage)

    screened(sources(parts(8)), random_backbone(), CONFIG, Hooks(progress))
    assert list(dict.fromkeys(stages)) == ["features", "calibration"]
    with pytest.raises(Cancelled):
        screened(sources(parts(8)), random_backbone(), CONFIG, Hooks(cancelled=lambda: True))


def test_unused_high_bits_are_counted_by_image():
    images: list[Source] = [
        *((f"low{i}.png", lambda i=i: wide(4095, i)) for i in range(3)),
        *((f"full{i}.png", lambda i=i: wide(65_535, i)) for i in range(4)),
        *sources(parts(3)),
    ]
    document = screened(images, random_backbone(), CONFIG, groups=by_photograph(10)).document()
    assert document["unused_bits"] == [
        {"what": "12 of 16 bits in use", "images": ["low0.png", "low1.png", "low2.png"]}
    ]
    assert "Read as dark, with 12 of 16 bits in use: 3." in document["says"]


def test_bits_are_those_of_wide_grey_samples():
    inverted = io.BytesIO()
    samples = 65_535 - np.random.default_rng(0).integers(0, 1024, (20, 20)).astype(np.uint16)
    Image.fromarray(samples).save(inverted, "TIFF", tiffinfo={262: 0})
    assert bits(wide(4095)) == (12, 16)
    assert bits(wide(65_535)) == (16, 16)
    assert bits(inverted.getvalue()) == (10, 16)
    assert bits(encode_png(parts(1)[0])) is None
    assert bits(encode_png(parts(1)[0][..., 0])) is None


def test_of_a_camera_that_fills_twelve_bits_the_highest_of_these_are_read_by_option():
    twelve, config = wide(4095), InputConfig(64, significant_bits=12)
    samples = np.asarray(Image.open(io.BytesIO(twelve))).astype(np.int64)
    read = decode_photograph(twelve, config)
    assert np.array_equal(read.pixels[..., 1], samples >> 4)
    assert (read.bits, read.dark) == ((12, 12), False)
    assert decode_photograph(wide(900), config).dark
    with pytest.raises(ImagePixelsUnsupported, match=r"at most 12 bits.*received one of 13 bits"):
        decode_photograph(wide(5000), config)
    assert np.array_equal(decode_image(twelve, bits=12), read.pixels)
    assert decode_image(wide(5000), bits=12).max() == 5000 >> 5, "what is only shown is never refused"


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the shared images beside the checkout")
def test_a_camera_that_keeps_twelve_bits_in_the_low_end_is_seen():
    assert bits((SHARED / "faults" / "mono12_lsb.png").read_bytes()) == (12, 16)


def test_what_is_not_read_is_named_with_the_reason(tmp_path):
    jpeg = io.BytesIO()
    Image.fromarray(parts(1)[0]).save(jpeg, "JPEG")
    for name, data in {
        "a.png": encode_png(parts(1)[0]),
        "sub/b.png": encode_png(parts(1)[0]),
        "@eaDir/a.png/SYNOFILE_THUMB_M.png": encode_png(parts(1)[0]),
        "c.jfif": jpeg.getvalue(),
        "d.jpe": jpeg.getvalue(),
        "e.jpg_": jpeg.getvalue(),
        "f": encode_png(parts(1)[0]),
        "g.pgm": b"P5 1 1 255 x",
        ".DS_Store": b"x",
        "._a.png": b"x",
        "Thumbs.db": b"x",
        "notes.txt": b"some words",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    hidden = "hidden, or kept by a system for itself"
    expected = {
        ".DS_Store": hidden,
        "._a.png": hidden,
        "@eaDir/": hidden,
        "Thumbs.db": hidden,
        "e.jpg_": "a JPEG whose name ends otherwise: rename it to have it read",
        "f": "a PNG whose name ends otherwise: rename it to have it read",
        "g.pgm": "not an image of a kind that is read",
        "link": "a link to a folder",
        "notes.txt": "not an image of a kind that is read",
    }
    (tmp_path / "link").symlink_to("sub")
    flat, deep = list_images(tmp_path), list_images(tmp_path, recursive=True)
    assert relative_names(deep, tmp_path) == ["a.png", "c.jfif", "d.jpe", "sub/b.png"]
    assert {each.name: each.reason for each in left_out(tmp_path, deep)} == expected
    found = left_out(tmp_path, flat)
    assert {each.name: each.reason for each in found} == {**expected, "sub/": "a folder inside the folder"}
    assert found == left_out(tmp_path, flat)


def test_the_document_is_stable_and_says_what_it_rests_on():
    beside = (LeftOut("Thumbs.db", "hidden"),)
    found = [
        json.dumps(screened(sources(parts(8)), random_backbone(), CONFIG, left_out=beside).document())
        for _ in range(2)
    ]
    assert found[0] == found[1]
    document = json.loads(found[0])
    assert document["left_out"] == [{"name": "Thumbs.db", "reason": "hidden", "files": 1}]
    assert document["settings"]["backbone"] == "tiny"
    assert document["settings"]["config"]["seed"] == 0


def over(files: list[Path], expected: float = 0.02) -> Screened:
    backbone = load_backbone("efficientnet-lite2", runtime="torch", precision="float32", allow_fetch=False)
    names = [f"{path.parents[2].name}/{path.parent.name}/{path.name}" for path in files]
    return screened(file_sources(files, names), backbone, DetectorConfig(), expected=expected)


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the shared images beside the checkout")
def test_defects_among_toys_are_listed_and_toys_are_one_product():
    good = list_images(SHARED / "toys" / "train" / "good")
    bad = list_images(SHARED / "toys" / "test" / "anomaly")[5:8]
    found = over([*good, *bad], expected=0.08).document()
    listed = [each["image"] for each in found["suspects"]]
    assert len(listed) == 7
    assert sum("anomaly" in name for name in listed) == 3
    assert len(found["products"]) == 1


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the shared images beside the checkout")
def test_toys_tiles_and_castings_in_one_folder_are_three_products(tmp_path):
    toys = list_images(SHARED / "toys" / "train" / "good")[:12]
    tiles = list_images(SHARED / "mtd" / "train" / "good")[::40][:12]
    drawn = tmp_path / "castings" / "train" / "good"
    drawn.mkdir(parents=True)
    for part, image in castings(8, 0):
        (drawn / f"{part}.png").write_bytes(encode_png(image))
    found = over([*toys, *tiles, *list_images(drawn)]).document()
    of = [{name.partition("/")[0] for name in kind["images"]} for kind in found["products"]]
    assert len(of) == 3
    assert sorted(map(sorted, of)) == [["castings"], ["mtd"], ["toys"]]
    assert len(over(tiles).document()["products"]) == 1
