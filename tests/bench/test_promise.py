"""The bench of the promise at toy size, and what it rests on: splits by part, bursts, the oracle."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from bench import forms, promise
from bench.datasets import SHARED
from bench.part_sets import Sizes, part_sets


def test_a_toy_run_reports_each_rate_of_each_set_and_the_same_from_scores_kept(monkeypatch, capsys, tmp_path):
    before = promise.ACCURACY.read_text(encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["promise", "--toy", "--only", "elpv", "--scores", str(tmp_path)])
    promise.main()
    printed = capsys.readouterr().out
    monkeypatch.setattr(promise, "splits_of", None)  # nothing is scored again
    promise.main()
    assert capsys.readouterr().out == printed
    rows = [line for line in printed.splitlines() if line.startswith("| elpv-mono")]
    assert len(rows) == 2 * len(promise.RATES)
    asked = {(cells[1].strip(), cells[3].strip()): cells for cells in (row.split("|") for row in rows)}
    assert "too few parts" in asked["elpv-mono: 24, 24", "1%"][5]
    assert asked["elpv-mono: 24, 24", "5%"][4].strip() == "5.0%"  # 19 parts are taught
    assert promise.ACCURACY.read_text(encoding="utf-8") == before


def test_a_toy_run_compares_the_forms_of_held_out_scores_on_the_same_banks(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["forms", "--toy", "--only", "elpv-mono efficientnet-lite2"])
    forms.main()
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| elpv-mono")]
    shown = {row.split("|")[3].strip(): float(row.split("|")[7]) for row in rows}
    assert set(shown) == set(forms.FORMS)
    assert shown["holes"] >= shown["substitutes"] > 0
    assert shown["folds"] > 0


def test_no_part_is_taught_and_unseen_at_once_and_folds_have_about_as_many_photographs():
    groups = np.repeat(np.arange(40), np.random.default_rng(0).integers(1, 11, 40))
    fold = promise.fold_of(groups, 5, 0)
    assert all(len(set(fold[groups == part])) == 1 for part in range(40))
    assert np.ptp(np.bincount(fold)) <= 10
    assert not np.array_equal(fold, promise.fold_of(groups, 5, 1))
    assert np.array_equal(fold, promise.fold_of(groups, 5, 0))


def test_the_oracle_rejects_no_more_than_its_rate_and_the_next_lower_score_would():
    rng = np.random.default_rng(0)
    parts = np.repeat(np.arange(30), rng.integers(1, 5, 30))
    of = promise.Outcome(0, 0.0, {}, rng.random(len(parts)), parts, rng.random(50) + 0.5)
    for rate in promise.RATES:
        threshold = of.oracle(rate)
        assert of.rejected(threshold) <= rate < of.rejected(np.nextafter(threshold, 0))


@pytest.mark.skipif(not (SHARED / "data").is_dir(), reason="needs the shared images beside the checkout")
def test_tiles_are_parts_and_bursts_take_one_photograph_of_each():
    sets = {of.name: of for of in part_sets(Sizes(parts=12, shots=3, burst_parts=5, defects=7))}
    assert set(sets) == {
        f"{name}{form}" for name in ("elpv-mono", "mtd", "toys") for form in ("", ", bursts")
    }
    tiles = sets["mtd"]
    assert len({part for _, part in tiles.good}) == 12
    assert len(tiles.good) > 20
    assert len(tiles.defective) == 7
    assert len(sets["mtd, bursts"].good) == 5
