"""The tables of docs/images.md name what the code knows: suffixes, litter, forms of labelled sets."""

from __future__ import annotations

import re
from pathlib import Path

from app.imaging import datasets, published
from nominal_client.formats import SUFFIXES
from nominal_client.litter import FILES, FOLDERS, is_litter

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "images.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def test_the_litter_that_is_listed_is_what_is_left_out() -> None:
    named = {name.lower() for name in re.findall(r"`([^`]+)`", section("Litter"))} - {"."}
    assert named == FILES | FOLDERS
    assert all(is_litter(name) for name in named)


def test_the_suffixes_that_are_listed_are_those_that_are_read() -> None:
    listed = re.search(r"by the suffixes ([^.]+)\.", section("What is read"))
    assert listed
    assert {f".{name}" for name in re.findall(r"\w+", listed[1]) if name != "and"} == SUFFIXES


def test_the_forms_that_are_listed_are_those_that_eval_says() -> None:
    listed = {
        row.split("|")[1].strip() for row in section("Labelled sets").splitlines() if row.startswith("| ")
    }
    source = Path(published.__file__).read_text(encoding="utf-8")
    of_tables = set(re.findall(r'ListedDataset\(\s*root, "([^"]+)"', source))
    of_folders = {form.name for form in (datasets.MVTEC, datasets.LOCO, datasets.MVTEC_2, datasets.BTAD)}
    assert listed - {"form"} == of_folders | of_tables | {published.KolektorDataset.form}
