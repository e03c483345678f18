"""Published sets in their folder forms: which form is seen, what is learnt, what is tested, with which masks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from image_files import save
from PIL import Image

from app.errors import FolderError
from app.imaging.datasets import Dataset
from app.imaging.masks import read_masks
from app.imaging.published import open_dataset

PNG = save(Image.new("L", (20, 16), 90), "PNG")
EMPTY = save(Image.new("L", (20, 16), 0), "PNG")
DRAWN = np.zeros((16, 20), np.uint8)
DRAWN[2:5, 3:9] = 2  # VisA's masks hold small labels
MASK = save(Image.fromarray(DRAWN), "PNG")


def put(root: Path, data: bytes, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)


def mvtec(root: Path) -> Path:
    put(root, PNG, "train/good/0.png", "train/good/1.png", "test/good/2.png", "test/crack/3.png")
    put(root, MASK, "ground_truth/crack/3_mask.png")
    return root


def loco(root: Path) -> Path:
    put(root, PNG, "train/good/0.png", "train/good/1.png", "validation/good/9.png", "test/good/2.png")
    put(root, PNG, "test/logical_anomalies/3.png")
    put(root, MASK, "ground_truth/logical_anomalies/3/000.png")
    return root


def mvtec_2(root: Path) -> Path:
    put(root, PNG, "train/good/0_regular.png", "train/good/1_regular.png", "validation/good/9_regular.png")
    put(
        root,
        PNG,
        "test_public/good/2_regular.png",
        "test_public/bad/3_regular.png",
        "test_private/4_regular.png",
    )
    put(root, MASK, "test_public/ground_truth/bad/3_regular_mask.png")
    return root


def btad(root: Path) -> Path:
    put(root, PNG, "train/ok/0.bmp", "train/ok/1.bmp", "test/ok/2.bmp", "test/ko/3.bmp")
    put(root, MASK, "ground_truth/ko/3.png")
    return root


def visa(root: Path) -> Path:
    root = root / "candle"
    put(root, PNG, *(f"Data/Images/Normal/{i}.JPG" for i in range(3)), "Data/Images/Anomaly/3.JPG")
    put(root, MASK, "Data/Masks/Anomaly/3.png")
    rows = ["object,split,label,image,mask", "cashew,train,normal,cashew/Data/Images/Normal/0.JPG,"]
    for i, split in enumerate(("train", "train", "test")):
        rows.append(f"candle,{split},normal,candle/Data/Images/Normal/{i}.JPG,")
    rows.append("candle,test,anomaly,candle/Data/Images/Anomaly/3.JPG,candle/Data/Masks/Anomaly/3.png")
    put(root.parent, "\n".join(rows).encode(), "split_csv/1cls.csv")
    return root


def kolektor(root: Path) -> Path:
    put(root, PNG, *(f"train/{i}.png" for i in (10, 11, 12)), "test/2.png", "test/3.png")
    put(root, EMPTY, "train/10_GT.png", "train/11_GT.png", "test/2_GT.png")
    put(root, MASK, "train/12_GT.png", "test/3_GT.png")
    return root


def realiad(root: Path) -> Path:
    root = root / "realiad_1024" / "usb"
    put(root, PNG, *(f"OK/S000{i}/usb_OK_C1.jpg" for i in range(3)), "NG/AK/S0001/usb_AK_C1.jpg")
    put(root, MASK, "NG/AK/S0001/usb_AK_C1.png")
    good = [
        {
            "category": "usb",
            "anomaly_class": "OK",
            "image_path": f"OK/S000{i}/usb_OK_C1.jpg",
            "mask_path": None,
        }
        for i in range(3)
    ]
    bad = "NG/AK/S0001/usb_AK_C1"
    defect = {"category": "usb", "anomaly_class": "AK", "image_path": f"{bad}.jpg", "mask_path": f"{bad}.png"}
    table = {"meta": {"normal_class": "OK", "prefix": "usb/"}, "train": good[:2], "test": [defect, good[2]]}
    put(root.parents[1], json.dumps(table).encode(), "realiad_jsons/realiad_jsons/usb.json")
    return root


FORMS = {
    "MVTec AD or MPDD": (mvtec, "crack"),
    "MVTec LOCO": (loco, "logical_anomalies"),
    "MVTec AD 2": (mvtec_2, "bad"),
    "BTAD": (btad, "ko"),
    "VisA": (visa, "anomaly"),
    "KolektorSDD2": (kolektor, "bad"),
    "Real-IAD": (realiad, "AK"),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_published_set_is_known_by_its_form_and_read_as_its_authors_mean_it(
    form: str, tmp_path: Path
) -> None:
    make, defect = FORMS[form]
    dataset: Dataset = open_dataset(make(tmp_path))
    assert dataset.form == form
    assert len(dataset.train_images()) == 2
    tests = dataset.test_images()
    assert [test.label for test in tests] == ["good", defect]
    assert [test.path.read_bytes() for test in tests] == [PNG, PNG]
    assert np.array_equal(read_masks(tests[1].masks, (16, 20)), DRAWN > 0)
    assert not read_masks(tests[0].masks, (16, 20)).any()


def test_what_a_form_keeps_for_other_uses_is_said(tmp_path: Path) -> None:
    dataset = open_dataset(kolektor(tmp_path / "k"))
    dataset.train_images()
    assert dataset.aside == ["Not learnt: 1 of 3 images in train, which show a defect."]
    assert open_dataset(mvtec_2(tmp_path / "m")).aside == [
        "Not read, as its form has it: validation, test_private."
    ]


def test_an_image_without_its_mask_of_kolektor_is_named(tmp_path: Path) -> None:
    root = kolektor(tmp_path)
    (root / "train" / "11_GT.png").unlink()
    with pytest.raises(FolderError, match=r"11\.png without"):
        open_dataset(root).train_images()


@pytest.mark.parametrize("make", [visa, realiad])
def test_a_set_without_its_table_says_where_it_belongs(make: Callable[[Path], Path], tmp_path: Path) -> None:
    root = make(tmp_path)
    for table in (*tmp_path.glob("split_csv/*"), *tmp_path.glob("realiad_jsons/*/*")):
        table.unlink()
    with pytest.raises(FolderError, match=r"needs the table.*(1cls\.csv|usb\.json)"):
        open_dataset(root)


def test_a_table_that_names_files_outside_its_set_is_refused(tmp_path: Path) -> None:
    root = visa(tmp_path / "set")
    (tmp_path / "secret.png").write_bytes(PNG)
    table = tmp_path / "set" / "split_csv" / "1cls.csv"
    table.write_text(table.read_text() + "\ncandle,train,normal,../secret.png,")
    with pytest.raises(FolderError, match="outside"):
        open_dataset(root)


@pytest.mark.parametrize(
    "text", ["", "a,b\n1,2", "object,split,label,image,mask\n"], ids=["empty", "other", "none"]
)
def test_a_table_that_lists_nothing_of_the_set_is_refused(text: str, tmp_path: Path) -> None:
    root = visa(tmp_path)
    (tmp_path / "split_csv" / "1cls.csv").write_text(text)
    with pytest.raises(FolderError, match="VisA"):
        open_dataset(root)
