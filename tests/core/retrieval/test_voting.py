"""The vote on a defect's kind: known values, ties, refusal."""

from __future__ import annotations

import numpy as np
import pytest

from core.retrieval import VOTERS, Vote, vote


def votes(*pairs: tuple[str, float]) -> Vote | None:
    kinds, similar = zip(*pairs, strict=True)
    return vote(kinds, np.asarray(similar, np.float32))


def test_each_voter_counts_by_the_square_of_its_similarity() -> None:
    found = votes(("dent", 0.5), ("scratch", 0.6), ("dent", 0.5), ("scratch", 0.2))
    assert found is not None
    assert (found.kind, found.voters) == ("dent", 4)
    assert found.share == pytest.approx(0.5 / 0.9)
    assert found.margin == pytest.approx(0.1 / 0.9)
    assert not found.sure


def test_a_kind_without_rival_is_sure_from_three_voters_on() -> None:
    assert votes(("dent", 0.5), ("dent", 0.5)) == Vote("dent", 1.0, 1.0, 2)
    two, three = votes(("dent", 0.5), ("dent", 0.5)), votes(("dent", 0.5), ("dent", 0.4), ("dent", 0.1))
    assert two is not None
    assert three is not None
    assert (two.sure, three.sure) == (False, True)


def test_only_the_nearest_vote() -> None:
    far = [("scratch", 0.1)] * 40
    assert votes(*[("dent", 0.9)] * VOTERS, *far) == Vote("dent", 1.0, 1.0, VOTERS)


def test_what_points_away_has_no_vote() -> None:
    assert votes(("dent", -0.9), ("dent", 0.0)) is None
    assert votes(("dent", -0.9), ("scratch", 0.3)) == Vote("scratch", 1.0, 1.0, 1)


def test_of_kinds_that_tie_the_first_by_name_wins() -> None:
    found = votes(("scratch", 0.5), ("dent", 0.5))
    assert found is not None
    assert (found.kind, found.margin) == ("dent", 0.0)
