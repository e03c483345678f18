"""Folders of images and the MVTec form: order, truth, masks, and every bad file by name."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from image_files import save
from PIL import Image

from app.errors import FolderError, ImageCorrupt, ImageEmpty, ImageTooLarge, ImageUnreadable
from app.imaging.datasets import MvtecDataset
from app.imaging.decode import ImageLimits
from app.imaging.folders import list_images, read_image
from app.imaging.masks import read_masks
from nominal_client.folders import relative_names

PNG = save(Image.new("L", (20, 16), 90), "PNG")


def put(folder: Path, *names: str, data: bytes = PNG) -> Path:
    """Write files, making their folders; the folder is returned."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def mask_file(mask: np.ndarray) -> bytes:
    return save(Image.fromarray(mask), "PNG")


# Listing


def test_numbers_in_names_order_as_numbers(tmp_path):
    put(tmp_path, "b2.png", "b10.png", "b1.png", "a10.jpg", "b02.png", "c.png", "10.png", "9.png")
    names = relative_names(list_images(tmp_path), tmp_path)
    assert names == ["9.png", "10.png", "a10.jpg", "b1.png", "b02.png", "b2.png", "b10.png", "c.png"]


def test_unusual_digits_are_text(tmp_path):
    put(tmp_path, "m².png", "m2.png", "٣.png")
    assert len(list_images(tmp_path)) == 3


def test_suffixes_choose_images_whatever_their_case(tmp_path):
    images = ["a.PNG", "b.Jpg", "c.jpeg", "d.bmp", "e.tif", "f.TIFF", "g.webp"]
    put(tmp_path, *images, "notes.txt", "h.gif", "png", "i.png.json")
    assert relative_names(list_images(tmp_path), tmp_path) == images


def test_hidden_files_and_folders_are_left_out(tmp_path):
    put(tmp_path, "a.png", "._a.png", ".cache/b.png")
    assert relative_names(list_images(tmp_path, recursive=True), tmp_path) == ["a.png"]


def test_folders_below_are_read_only_when_asked_for(tmp_path):
    put(tmp_path, "a.png", "day2/x.png", "day10/x.png", "day2/deep/y.png")
    assert relative_names(list_images(tmp_path), tmp_path) == ["a.png"]
    names = relative_names(list_images(tmp_path, recursive=True), tmp_path)
    assert names == ["a.png", "day2/deep/y.png", "day2/x.png", "day10/x.png"]


@pytest.mark.parametrize("target", ["../outside/x.png", "../outside"])
def test_a_link_out_of_the_folder_is_refused_by_name(tmp_path, target):
    put(tmp_path, "in/a.png", "outside/x.png")
    (tmp_path / "in" / "link.png").symlink_to(target)
    with pytest.raises(FolderError, match=r"link\.png"):
        list_images(tmp_path / "in")


def test_links_inside_the_folder_are_followed_to_files_but_not_to_folders(tmp_path):
    put(tmp_path, "a.png", "sub/b.png")
    (tmp_path / "c.png").symlink_to("sub/b.png")
    (tmp_path / "sub" / "loop").symlink_to("..")
    assert relative_names(list_images(tmp_path, recursive=True), tmp_path) == ["a.png", "c.png", "sub/b.png"]


def test_a_dangling_link_is_listed_so_that_reading_it_is_reported(tmp_path):
    (tmp_path / "gone.png").symlink_to("nowhere.png")
    (path,) = list_images(tmp_path)
    assert isinstance(read_image(path), ImageUnreadable)


def test_a_link_to_itself_ends(tmp_path):
    (tmp_path / "loop.png").symlink_to("loop.png")
    (path,) = list_images(tmp_path)
    assert isinstance(read_image(path), ImageUnreadable)


def test_a_pipe_is_neither_listed_nor_opened(tmp_path):
    put(tmp_path, "a.png")
    os.mkfifo(tmp_path / "pipe.png")
    assert relative_names(list_images(tmp_path), tmp_path) == ["a.png"]
    assert "not a regular file" in str(read_image(tmp_path / "pipe.png"))


@pytest.mark.parametrize("name", ["absent", "file.png", "empty"])
def test_a_folder_that_is_none_or_holds_no_image_is_refused(tmp_path, name):
    put(tmp_path, "file.png", "empty/readme.txt")
    with pytest.raises(FolderError, match=name):
        list_images(tmp_path / name)


# Reading


def test_an_image_comes_with_its_pixels(tmp_path):
    put(tmp_path, "a.png")
    image = read_image(tmp_path / "a.png")
    assert isinstance(image, np.ndarray)
    assert (image == 90).all()


@pytest.mark.parametrize(
    ("data", "refusal"),
    [(b"", ImageEmpty), (PNG[:60], ImageCorrupt), (PNG + bytes(5000), ImageTooLarge)],
    ids=["empty", "truncated", "too large"],
)
def test_a_bad_file_is_named_in_its_refusal(tmp_path, data, refusal):
    put(tmp_path, "part-17.png", data=data)
    found = read_image(tmp_path / "part-17.png", ImageLimits(max_bytes=4000))
    assert type(found) is refusal
    assert "part-17.png" in str(found)


def test_an_absent_file_is_named_in_its_refusal(tmp_path):
    found = read_image(tmp_path / "absent.png")
    assert isinstance(found, ImageUnreadable)
    assert "absent.png" in str(found)


# MVTec form


@pytest.fixture
def mvtec(tmp_path: Path) -> Path:
    put(tmp_path, "train/good/000.png", "train/good/001.png", "test/good/000.png", "test/good/001.png")
    put(tmp_path, "test/crack/000.png", "test/crack/001.png", "test/blob/000.png", "licence.txt")
    mask = np.zeros((16, 20), dtype=np.uint8)
    mask[2:5, 3:9] = 255
    put(tmp_path, "ground_truth/crack/000_mask.png", "ground_truth/blob/000.png", data=mask_file(mask))
    return tmp_path


def test_train_images_are_the_good_ones(mvtec):
    assert relative_names(MvtecDataset(mvtec).train_images(), mvtec) == [
        "train/good/000.png",
        "train/good/001.png",
    ]


def test_test_images_carry_their_truth_good_first(mvtec):
    found = [(t.name, t.label, t.defective) for t in MvtecDataset(mvtec).test_images()]
    assert found == [
        ("test/good/000.png", "good", False),
        ("test/good/001.png", "good", False),
        ("test/blob/000.png", "blob", True),
        ("test/crack/000.png", "crack", True),
        ("test/crack/001.png", "crack", True),
    ]


def test_masks_are_found_in_both_spellings_and_may_be_absent(mvtec):
    masks = {t.name: t.masks for t in MvtecDataset(mvtec).test_images()}
    assert masks["test/crack/000.png"] == (mvtec / "ground_truth" / "crack" / "000_mask.png",)
    assert masks["test/blob/000.png"] == (mvtec / "ground_truth" / "blob" / "000.png",)
    assert masks["test/crack/001.png"] == ()
    assert masks["test/good/000.png"] == ()


def test_a_mask_is_true_where_the_defect_was_drawn(mvtec):
    mask = read_masks((mvtec / "ground_truth" / "crack" / "000_mask.png",), (16, 20))
    expected = np.zeros((16, 20), dtype=bool)
    expected[2:5, 3:9] = True
    assert mask.dtype == bool
    assert np.array_equal(mask, expected)


@pytest.mark.parametrize("drawn", [np.uint8(1), np.uint8(255), np.bool_(True)])
def test_any_value_above_zero_marks_a_defect(tmp_path, drawn):
    mask = np.zeros((16, 20), dtype=drawn.dtype)
    mask[4, 4] = drawn
    put(tmp_path, "m.png", data=mask_file(mask))
    assert np.argwhere(read_masks((tmp_path / "m.png",), (16, 20))).tolist() == [[4, 4]]


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_a_label_in_the_low_bits_of_sixteen_marks_a_defect(tmp_path, suffix):
    mask = np.zeros((16, 20), np.uint16)
    mask[4, 4] = 1
    Image.fromarray(mask).save(tmp_path / f"m{suffix}")
    assert np.argwhere(read_masks((tmp_path / f"m{suffix}",), (16, 20))).tolist() == [[4, 4]]


def test_a_jpeg_mask_marks_what_was_drawn_not_what_compression_left(tmp_path):
    mask = np.zeros((64, 64), np.uint8)
    mask[20:40, 20:40] = 255
    Image.fromarray(mask).save(tmp_path / "m.jpg", quality=30)
    found = read_masks((tmp_path / "m.jpg",), (64, 64))
    assert np.count_nonzero(found ^ (mask > 0)) <= 8


def test_masks_of_one_image_are_joined_from_a_folder_or_several_files(mvtec):
    one, other = np.zeros((16, 20), np.uint8), np.zeros((16, 20), np.uint8)
    one[1, 2], other[3, 4] = 255, 255
    put(mvtec, "ground_truth/crack/001/000.png", data=mask_file(one))
    put(mvtec, "ground_truth/crack/001/001.png", data=mask_file(other))
    masks = {t.name: t.masks for t in MvtecDataset(mvtec).test_images()}["test/crack/001.png"]
    assert np.argwhere(read_masks(masks, (16, 20))).tolist() == [[1, 2], [3, 4]]


def test_a_mask_that_is_transparent_in_places_is_refused(tmp_path):
    Image.new("RGBA", (20, 16), (255, 255, 255, 0)).save(tmp_path / "m.png")
    with pytest.raises(FolderError, match=r"A mask must be opaque.*m\.png, which is transparent"):
        read_masks((tmp_path / "m.png",), (16, 20))


def test_a_mask_of_another_size_is_refused_by_name(mvtec):
    with pytest.raises(FolderError, match=r"30 x 16 pixels; received .*000_mask\.png of 20 x 16"):
        read_masks((mvtec / "ground_truth" / "crack" / "000_mask.png",), (16, 30))


def test_a_mask_that_is_no_image_is_refused_by_name(mvtec):
    put(mvtec, "ground_truth/crack/001_mask.png", data=b"")
    masks = MvtecDataset(mvtec).test_images()[-1].masks
    with pytest.raises(ImageEmpty, match="001_mask"):
        read_masks(masks, (16, 20))


def test_a_folder_of_another_form_is_refused(tmp_path):
    put(tmp_path, "a.png")
    with pytest.raises(FolderError, match="train/good"):
        MvtecDataset(tmp_path)


def test_an_absent_part_is_refused_when_it_is_asked_for(tmp_path):
    put(tmp_path, "test/good/000.png", "half/train/good/000.png")
    assert len(MvtecDataset(tmp_path).test_images()) == 1
    with pytest.raises(FolderError, match="train"):
        MvtecDataset(tmp_path).train_images()
    with pytest.raises(FolderError, match="test"):
        MvtecDataset(tmp_path / "half").test_images()


def test_a_class_without_images_is_refused_by_name(mvtec):
    put(mvtec, "test/scratch/readme.txt")
    with pytest.raises(FolderError, match="scratch"):
        MvtecDataset(mvtec).test_images()


@pytest.mark.parametrize(
    ("name", "train", "good", "defects", "masks"),
    [("mtd", 762, 190, 392, 392), ("hazelnut256", 50, 2, 8, 8), ("toys", 35, 23, 60, 0)],
)
def test_shared_datasets_have_the_counts_they_state(shared, name, train, good, defects, masks):
    dataset = MvtecDataset(shared / "data" / name)
    tests = dataset.test_images()
    assert len(dataset.train_images()) == train
    assert sum(not t.defective for t in tests) == good
    assert sum(t.defective for t in tests) == defects
    assert sum(len(t.masks) for t in tests) == masks
    for t in tests[-5:]:
        image = read_image(t.path)
        assert isinstance(image, np.ndarray)
        assert not t.masks or read_masks(t.masks, image.shape[:2]).any()
