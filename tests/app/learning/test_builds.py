"""Folders of image files -> banks: names, bad files, rates, places to write."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fakes import random_backbone
from parts import SMALL, build, parts

from app.errors import ImageCorrupt, ImageFormatUnsupported, ImageRefused
from app.imaging.pictures import encode_png
from app.inspection.backbones import backbone_ref
from app.learning.learn import Hooks, check_supported, check_target, image_files, learn
from core.bank import bank_bytes
from core.errors import BankError, Cancelled, TooFewImages, TooFewNominalImages


@pytest.fixture(scope="module")
def backbone():
    return random_backbone()


@pytest.fixture
def folder(tmp_path) -> Path:
    for i, image in enumerate(parts(12)):
        (tmp_path / f"{i:03d}.png").write_bytes(encode_png(image))
    return tmp_path


def paths_of(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.png"))


def built(folder: Path, backbone, config=SMALL, **options):
    paths = paths_of(folder)
    images = image_files(paths, [p.name for p in paths], config.input)
    return learn(images, backbone, config, Hooks(**options))


def test_files_give_the_bank_of_their_images(folder, backbone):
    made = built(folder, backbone)
    assert bank_bytes(made.bank) == bank_bytes(build(parts(12), SMALL, backbone))
    assert made.skipped == ()


def test_the_bank_records_the_backbone_that_built_it(backbone):
    ref = backbone_ref(backbone)
    assert (ref.name, ref.digest, ref.runtime, ref.precision) == ("tiny", backbone.digest, "torch", "float32")
    assert (ref.layers, ref.channels) == (backbone.spec.layers, backbone.spec.channels)


def test_a_bad_file_is_refused_by_name(folder, backbone):
    (folder / "005.png").write_bytes((folder / "005.png").read_bytes()[:300])
    with pytest.raises(ImageCorrupt, match=r"005\.png"):
        built(folder, backbone)


def test_bad_files_are_skipped_by_option_each_said_by_name(folder, backbone):
    (folder / "000.png").write_bytes(b"not an image at all")
    (folder / "007.png").unlink()
    (folder / "007.png").mkdir()
    said: list[str] = []
    made = built(folder, backbone, skip_bad=True, say=said.append)
    assert [name for name, _ in made.skipped] == ["000.png", "007.png"]
    assert made.bank.provenance.images == tuple(f"{i:03d}.png" for i in range(12) if i not in (0, 7))
    lines = [line for line in said if line.startswith("Skipped")]
    assert lines == [f"Skipped {name}: {reason}" for name, reason in made.skipped]
    assert "begin with" in lines[0]
    whole = [image for i, image in enumerate(parts(12)) if i not in (0, 7)]
    assert np.array_equal(made.bank.calibration_scores, build(whole, SMALL, backbone).calibration_scores)


def test_a_skip_that_leaves_too_few_for_the_rate_stops_the_build_at_once(folder, backbone):
    config = replace(SMALL, target_false_reject=0.08)  # 12 images support 1/13, 11 do not
    built(folder, backbone, config)
    (folder / "001.png").write_bytes(b"")
    stages: list[str] = []
    with pytest.raises(TooFewNominalImages, match="received 11"):
        built(
            folder, backbone, config, skip_bad=True, progress=lambda stage, done, total: stages.append(stage)
        )
    assert stages == []


def test_a_folder_of_bad_files_gives_no_bank_even_when_they_are_skipped(folder, backbone):
    for path in paths_of(folder):
        path.write_bytes(b"GIF89a")
    with pytest.raises(ImageFormatUnsupported):
        built(folder, backbone)
    said: list[str] = []
    with pytest.raises((TooFewImages, TooFewNominalImages)):
        built(folder, backbone, skip_bad=True, say=said.append)
    assert said, "the files that were skipped until then are named"


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_images_are_refused_before_any_work(count):
    with pytest.raises(TooFewImages, match="at least two nominal images"):
        check_supported(count, SMALL)


@pytest.mark.parametrize(
    ("changes", "count", "needed"),
    [
        ({"target_false_reject": 0.01}, 98, 99),
        ({"target_false_reject": 0.05}, 18, 19),
        ({"target_false_reject": 0.001, "target_review": 0.5}, 998, 999),
    ],
)
def test_an_unsupported_rate_is_refused_before_any_work(changes, count, needed):
    config = replace(SMALL, **changes)
    with pytest.raises(TooFewNominalImages, match=f"needs {needed} nominal images; received {count}"):
        check_supported(count, config)
    check_supported(needed, config)


def test_a_stopped_build_leaves_no_decoding_thread_behind(folder, backbone):
    with pytest.raises(Cancelled):
        built(folder, backbone, cancelled=lambda: True)
    (folder / "000.png").write_bytes(b"")
    with pytest.raises(ImageRefused):
        built(folder, backbone)
    assert not [t for t in threading.enumerate() if t.name.startswith(("read-ahead", "nominal-ahead"))]


def test_a_place_for_a_bank_is_refused_before_the_work(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"")
    for place in ("folder", "file/x.bank", "nowhere/x.bank"):
        with pytest.raises(BankError, match="must be written to a file in a folder that exists"):
            check_target(tmp_path / place)
    with pytest.raises(BankError, match="a folder or device"):
        check_target(Path("/dev/null"))
    check_target(tmp_path / "new.bank")
    check_target(tmp_path / "file")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]
