"""``nominal patterns``: patterns of rejects, their place, their figures."""

from __future__ import annotations

from pathlib import Path

import pytest
from parts import build, parts, scratched

from app.imaging.pictures import encode_png
from core.bank import save_bank

pytest_plugins = ("command_line",)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path, Path]:
    """A bank, rejects of two kinds, good parts that it did not learn."""
    save_bank(build(parts(12)), tmp_path / "part.bank")
    images = {f"good/{i}.png": image for i, image in enumerate(parts(6, seed=5))}
    for i, image in enumerate(parts(6, seed=6)):
        images[f"bad/dark/{i}.png"] = scratched(image, 20, 20, 16)
        bright = image.copy()
        bright[40:56, 40:56] = (255, 0, 0)
        images[f"bad/red/{i}.png"] = bright
    for name, image in images.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(encode_png(image))
    return tmp_path / "part.bank", tmp_path / "bad", tmp_path / "good"


@pytest.mark.parametrize("of", ["residual", "whole"])
def test_patterns_of_two_kinds_are_mined_placed_and_held_against_the_kinds(nominal, tiny, folders, of):
    bank, bad, good = folders
    options = ("--defects", bad, "--good", good, "--of", of, "--count", 2, *tiny[2:])
    found = nominal("patterns", bank, *options, "--json").json
    assert (found["nominal"], found["rejects"]) == (6, 12)
    (mined,) = found["minings"]
    assert mined["of"] == of
    assert mined["separation"] > 0.9
    assert -1 <= mined["stability"] <= 1
    assert 0 <= mined["nmi"] <= 1
    assert 0.5 <= mined["purity"] <= 1
    assert sum(row["rejects"] for row in mined["patterns"]) == 12
    told = nominal("patterns", bank, *options)
    assert told.status == 0, told.err
    assert "stability" in told.out


def test_the_place_of_a_pattern_is_on_the_defect(nominal, tiny, folders):
    bank, bad, good = folders
    found = nominal(
        "patterns", bank, "--defects", bad / "red", "--good", good, "--count", 1, *tiny[2:], "--json"
    ).json
    (mined,) = found["minings"]
    (only,) = mined["patterns"]
    assert all(32 <= each[axis] < 64 for each in only["examples"] for axis in ("x", "y"))
    assert (only["frequency"], only["in_nominal"]) == (1, 0)
    assert mined["nmi"] is None, "one kind is no grouping"


def test_too_few_rejects_are_refused(nominal, tiny, folders, tmp_path):
    bank, bad, good = folders
    for file in sorted((bad / "red").iterdir())[1:]:
        file.unlink()
    refused = nominal("patterns", bank, "--defects", bad / "red", "--good", good, *tiny[2:])
    assert (refused.status, "two rejects" in refused.err) == (1, True)
