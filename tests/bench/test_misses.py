"""Why defects are missed: each sentence of the demo counts what its scores say."""

from __future__ import annotations

import numpy as np

from bench.misses import Tried, explained

GOOD = np.arange(1.0, 6.0)  # unseen good images; their median is 3
BAD = np.asarray([2.0, 3.0, 3.5, 4.6, 9.0])
CALIBRATION = np.arange(100) / 25  # 0 to 3.96: the conformal threshold of 10 % is the 91st score, 3.6


def first(threshold: float = 5.0, calibration: np.ndarray = CALIBRATION) -> Tried:
    return Tried("", threshold, GOOD, BAD, calibration)


def test_misses_are_counted_by_what_could_find_them() -> None:
    said = explained(first())
    assert said[0].startswith("Missed: 4 of 5 defective cells, which score at most the threshold 5.000.")
    assert said[1].startswith("Why: 2 of them score no higher than the median unseen good cell")
    assert "; 2 score higher than that" in said[1]


def test_a_rate_says_what_it_finds_and_what_it_costs() -> None:
    said = explained(first())
    assert said[2].startswith(
        "A rate of 5 %, threshold 3.800: finds 1 of those missed, and rejects 2 of 5 good"
    )
    assert said[3].startswith("A rate of 10 %, threshold 3.600: finds 1 of those missed")
    assert said[3].endswith("where 0 of 5 good were.")


def test_a_rate_that_so_few_images_do_not_support_is_left_out() -> None:
    assert [len(explained(first(calibration=CALIBRATION[:n]))) for n in (19, 18, 9, 8)] == [4, 3, 3, 2]


def test_another_bank_says_what_it_finds_and_loses() -> None:
    other = Tried("Input of 384 pixels", 2.5, GOOD / 2, np.asarray([3.0, 1.0, 3.0, 3.0, 2.0]), CALIBRATION)
    assert explained(first(), [other])[-1] == (
        "Input of 384 pixels: misses 2; finds 3 of those missed, loses 1 that were found, and rejects 0 of 5 good "
        "cells."
    )


def test_nothing_missed_is_said_in_one_sentence() -> None:
    assert explained(first(threshold=1.5)) == ["Missed: none of 5 defective cells."]
