"""The problems answered last: counted, bounded, secrets masked."""

from __future__ import annotations

from service_kit import service_of
from starlette.testclient import TestClient

from app.ops.observed import RecentProblems
from app.store.errors import NotFound

KEY = "nominal_0123456789ab_" + "x" * 43


def test_a_problem_that_comes_again_is_counted_and_the_newest() -> None:
    recent = RecentProblems()
    for where in ("a", "b", "a"):
        recent.add(where, 404, "not-found", "Gone.")
    assert [(seen.where, seen.times) for seen in recent.latest()] == [("a", 2), ("b", 1)]


def test_the_list_is_bounded_and_the_oldest_leave() -> None:
    recent = RecentProblems(most=3)
    for number in range(5):
        recent.add(f"GET /{number}", 500, "internal", "x" * 10_000)
    assert [seen.where for seen in recent.latest()] == ["GET /4", "GET /3", "GET /2"]
    assert all(len(seen.detail) <= 500 for seen in recent.latest())


def test_no_secret_is_held() -> None:
    recent = RecentProblems()
    recent.add(f"GET /{KEY}", 401, "unauthorized", f"Bearer abc.def and {KEY}")
    (seen,) = recent.latest()
    assert "x" * 43 not in seen.where + seen.detail
    assert "abc.def" not in seen.detail


def test_an_error_is_noted_as_it_would_be_answered() -> None:
    recent = RecentProblems()
    recent.note("/console/banks", NotFound(requirement="a", received="b", remedy="c"))
    recent.note("/console/banks", ValueError("what nobody may read"))
    unexpected, known = recent.latest()
    assert (known.status, known.type) == (404, "not-found")
    assert unexpected.status == 500
    assert "what nobody may read" not in unexpected.detail


def test_every_problem_that_the_service_answers_is_noted(client: TestClient) -> None:
    answer = client.get("/v1/banks/none?token=secret")
    seen = service_of(client).observed.problems.latest()[0]
    assert (seen.where, seen.status, seen.type) == ("GET /v1/banks/none", 422, "invalid-request")
    assert seen.request_id == answer.headers["x-request-id"]
