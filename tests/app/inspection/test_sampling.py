"""Accepted images join the sample: the nearest to the threshold, the lowest lots, within the bytes."""

from __future__ import annotations

import numpy as np
import pytest

from app.inspection.sampling import DAY_SECONDS, Sample
from app.store.samples import SampleRules, chosen, lot
from app.store.schema import Inspection

SIZE = 1000


def inspection(score: float, version: int = 1) -> Inspection:
    return Inspection(
        bank="screws", version=version, width=8, height=8, score=score, review_threshold=3.0, reject_threshold=4.0,
        decision="accept", regions=[], timings={}, digests={},
    )  # fmt: skip


def rows(count: int, seed: int = 0) -> list[Inspection]:
    scores = np.random.default_rng(seed).uniform(0, 3, count)
    return [inspection(score=float(score)) for score in scores]


def test_what_joins_holds_what_a_sweep_would_choose_of_everything() -> None:
    rules, seen = SampleRules(20, 1 << 30), rows(2000)
    sample = Sample(rules)
    joined = [row for row in seen if sample.takes(row, SIZE)]
    assert len(joined) < 300  # k (1 + log(n / k)) of each kind is 112
    near = sorted(seen, key=lambda row: -row.score)[:10]
    drawn = sorted(seen, key=lambda row: lot(row.id))[:10]
    assert {row.id for row in [*near, *drawn]} <= {row.id for row in joined}


def test_a_bank_takes_in_no_more_bytes_than_it_may_keep_until_it_is_swept() -> None:
    sample = Sample(SampleRules(100, 3 * SIZE))
    seen = rows(20)
    assert sum(sample.takes(row, SIZE) for row in seen[:10]) == 3
    sample.swept()
    assert sum(sample.takes(row, SIZE) for row in seen[10:]) == 3


def test_after_a_day_what_was_seen_before_is_forgotten() -> None:
    now = [0.0]
    sample = Sample(SampleRules(2, 1 << 30), clock=lambda: now[0])
    assert sample.takes(inspection(score=2.9), SIZE)
    seen = [inspection(score=0.1 + i / 100) for i in range(60)]
    assert sum(sample.takes(row, SIZE) for row in seen) < 20
    sample.swept()
    assert not sample.takes(min(seen, key=lambda row: -lot(row.id)), SIZE)
    now[0] = DAY_SECONDS
    sample.swept()
    assert sample.takes(inspection(score=0.1), SIZE)


def test_versions_have_samples_of_their_own() -> None:
    sample = Sample(SampleRules(2, 1 << 30))
    assert all(sample.takes(inspection(score=2.0, version=version), SIZE) for version in (1, 2, 3))


def test_lots_are_even_and_stay() -> None:
    ids = [row.id for row in rows(4000)]
    lots = np.array([lot(id) for id in ids])
    assert np.array_equal(lots, [lot(id) for id in ids])
    assert np.histogram(lots, 10, (0, 1))[0] == pytest.approx(400, abs=80)  # four standard deviations


def test_the_sample_alternates_so_that_few_bytes_hold_both_kinds() -> None:
    class Row:
        def __init__(self, id: str, score: float) -> None:
            self.id, self.score, self.review_threshold, self.bytes = id, score, 1.0, 1

    found = [Row(str(i), i / 100) for i in range(50)]
    first = [row.id for row in chosen(found, SampleRules(4, 10))]  # type: ignore[arg-type]
    assert first[0] == "49"
    assert first[2] == "48"
    assert len(set(first)) == 4
