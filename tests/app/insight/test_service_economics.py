"""Thresholds by cost over HTTP: what was reviewed of a version, the present threshold beside the best, bad input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from service_kit import problem, service_of
from starlette.testclient import TestClient

from app.store.schema import Inspection, Verdict
from core.bank import load_bank
from core.judging.economics import Costs, by_cost

CAPS = "/v1/banks/caps"
COSTS = "missed_defect=500&false_reject=5&defect_rate=0.01"


def reviewed(
    client: TestClient, scores: np.ndarray, verdict: Verdict, version: int = 1, digest: str | None = None
) -> None:
    """Inspections of a version in the ledger, all with this verdict."""
    digests = {"bank": digest or service_of(client).store.versions.get("caps", 1).sha256}
    service_of(client).store.inspections.add(
        [
            Inspection(
                bank="caps", version=version, width=8, height=8, score=score, review_threshold=2.0,
                reject_threshold=3.0, decision="accept" if verdict == "missed_defect" else "reject", regions=[],
                timings={}, digests=digests, verdict=verdict,
            )
            for score in scores.tolist()
        ]
    )  # fmt: skip


def spread(bank_file: bytes, count: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """(nominal scores, scores of defects: some among the nominal ones, most above)."""
    nominal = load_bank(bank_file).calibration_scores.astype(np.float64)
    return nominal, np.linspace(np.median(nominal), 2 * nominal.max(), count)


def test_the_answer_is_that_of_the_calibration_and_the_reviewed_defects(
    banked: TestClient, bank_file: bytes
) -> None:
    nominal, defects = spread(bank_file)
    reviewed(banked, defects[3:], "confirmed_defect")
    reviewed(banked, defects[:3], "missed_defect")
    reviewed(banked, defects, "false_alarm")  # good parts say nothing of misses
    reviewed(banked, defects, "confirmed_defect", digest="another file of the same number")
    present = banked.get(f"{CAPS}/exploration").json()["present"]["reject"]
    groups = load_bank(bank_file).calibration_groups
    expected = by_cost(nominal, groups, defects, Costs(500.0, 5.0, 0.01), present)
    answer = banked.get(f"{CAPS}/economics?{COSTS}")
    told = answer.json()
    assert (told["defects"], told["missed"], told["parts"]) == (12, 3, expected.parts)
    assert told["best"] == pytest.approx(vars(expected.best))
    assert (told["low"], told["high"]) == pytest.approx((expected.low, expected.high))
    assert told["present"]["threshold"] == pytest.approx(present)
    assert told["saving"]["cost"] == pytest.approx(told["present"]["cost"] - told["best"]["cost"])
    assert told["costs"] == {"missed_defect": 500, "false_reject": 5, "defect_rate": 0.01}
    assert answer.headers["etag"] == banked.get(f"{CAPS}/exploration").headers["etag"]
    assert "seldom reviewed" in told["caution"]


def test_a_threshold_set_by_hand_is_the_present_one_and_costlier_misses_lower_the_best(
    banked: TestClient, bank_file: bytes
) -> None:
    reviewed(banked, spread(bank_file)[1], "confirmed_defect")
    banked.patch(CAPS, json={"reject_threshold": 1e9})
    told = banked.get(f"{CAPS}/economics?{COSTS}").json()
    assert told["present"]["threshold"] == 1e9
    assert told["present"]["missed"] == pytest.approx(13 / 14)
    assert told["saving"]["low"] > 0
    costly = banked.get(f"{CAPS}/economics?missed_defect=50000&false_reject=5&defect_rate=0.01").json()
    assert costly["best"]["threshold"] < told["best"]["threshold"]


@pytest.mark.parametrize("verdicts", [0, 9])
def test_too_few_reviewed_defects_are_refused_with_what_to_do(
    banked: TestClient, bank_file: bytes, verdicts: int
) -> None:
    reviewed(banked, spread(bank_file)[1][:verdicts], "confirmed_defect")
    told = problem(banked.get(f"{CAPS}/economics?{COSTS}"), 409, "too-few-defects")
    assert "at least 10" in told["requirement"]
    assert told["received"] == str(verdicts)
    assert "review more" in told["remedy"].lower()


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ({"missed_defect": "-1"}, "missed_defect"),
        ({"missed_defect": "nan"}, "missed_defect"),
        ({"false_reject": "1e13"}, "false_reject"),
        ({"false_reject": "inf"}, "false_reject"),
        ({"false_reject": "a lot"}, "false_reject"),
        ({"defect_rate": "0"}, "defect_rate"),
        ({"defect_rate": "1"}, "defect_rate"),
        ({"defect_rates": "0.1"}, "defect_rates"),
        ({"version": "0"}, "version"),
    ],
)
def test_costs_that_mean_nothing_are_refused_by_name(
    banked: TestClient, query: dict[str, str], named: str
) -> None:
    asked: dict[str, Any] = {"missed_defect": "500", "false_reject": "5", "defect_rate": "0.01", **query}
    told = problem(banked.get(f"{CAPS}/economics", params=asked), 422, "invalid-request")
    assert named in str(told)


def test_costs_of_nothing_versions_that_are_not_there_and_missing_values_are_refused(
    banked: TestClient, client: TestClient
) -> None:
    nothing = f"{CAPS}/economics?missed_defect=0&false_reject=0&defect_rate=0.01"
    problem(banked.get(nothing), 422, "invalid-config")
    problem(banked.get(f"{CAPS}/economics?{COSTS}&version=7"), 404, "not-found")
    problem(banked.get(f"{CAPS}/economics?missed_defect=500"), 422, "invalid-request")
    client.post("/v1/banks", json={"id": "empty"})
    problem(client.get(f"/v1/banks/empty/economics?{COSTS}"), 409, "bank-without-version")
