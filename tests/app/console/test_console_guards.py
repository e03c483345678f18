"""What keeps people from a wrong step: whose bank a page shows, words of badges, numbers as typed, warnings, masks."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from parts import SMALL, build
from service_kit import PNG, problem, service_of
from starlette.testclient import TestClient
from test_console_access import HTML, new_key

from app.console.widgets.activation import is_large
from app.console.words import decimal, plain
from core.bank import bank_bytes
from core.input.mask import mask_text
from models.backbone import Backbone

OTHER = "Another product"


@pytest.fixture
def two_banks(taught: TestClient) -> TestClient:
    """``caps``, taught, and a bank that was looked at last."""
    taught.post("/v1/banks", json={"id": "another", "title": OTHER})
    taught.cookies.set("nominal_bank", "another", path="/console")
    return taught


def page(client: TestClient, path: str) -> str:
    answer = client.get(f"/console{path}", headers=HTML)
    assert answer.status_code == 200
    return answer.text


def rail(text: str) -> set[str]:
    """The banks that links of the page's rail lead to."""
    return set(re.findall(r"/console/banks/([\w-]+)/thresholds", text))


def test_a_page_of_no_bank_shows_the_bank_looked_at_last(two_banks: TestClient) -> None:
    assert rail(page(two_banks, "/review")) == {"another"}


@pytest.mark.parametrize("path", ["/inspections?bank=caps", "/review?bank=caps"])
def test_a_filter_by_bank_takes_header_and_rail_along(two_banks: TestClient, path: str) -> None:
    assert rail(page(two_banks, path)) == {"caps"}


def test_an_inspection_opens_under_its_own_bank(two_banks: TestClient, bad: bytes) -> None:
    id = two_banks.post("/v1/banks/caps/inspect", content=bad, headers=PNG).json()["id"]
    assert rail(page(two_banks, f"/inspections/{id}")) == {"caps"}
    two_banks.delete("/v1/banks/caps")
    gone = page(two_banks, f"/inspections/{id}")
    assert rail(gone) == set()
    assert 'data-bank=""' in gone.replace("&quot;", '"')


def test_an_accepted_part_reviewed_as_good_is_never_called_a_false_alarm(
    taught: TestClient, good: bytes
) -> None:
    id = taught.post("/v1/banks/caps/inspect", content=good, headers=PNG).json()["id"]
    service_of(taught).store.reviews.add(id, "false_alarm", actor="k1")
    for path in (f"/inspections/{id}", "/inspections?verdict=false_alarm"):
        text = page(taught, path)
        assert "Good part confirmed" in text
        assert "False alarm" not in text.replace("Good part or false alarm", "")


@pytest.mark.parametrize(
    ("typed", "read"),
    [("2,4", 2.4), ("2.4", 2.4), (" 12 ", 12.0), (".5", 0.5), ("0,", 0.0), ("1,234.5", None), ("-3", None),
     ("2,4,5", None), ("1e3", None), ("nan", None), ("", None), (None, None)],
)  # fmt: skip
def test_a_number_is_read_with_a_point_or_a_comma(typed: str | None, read: float | None) -> None:
    assert decimal(typed) == read


def test_a_number_is_shown_as_it_would_be_typed() -> None:
    assert [plain(value) for value in (5.0, 0.5, 41.25)] == ["5", "0.5", "41.25"]


@pytest.mark.parametrize(
    ("before", "after", "large"),
    [(0.01, 0.87, True), (0.05, 0.12, True), (0.05, 0.06, False), (0.001, 0.01, False), (None, 0.5, True),
     (0.4, 0.5, False), (0.1, None, False)],
)  # fmt: skip
def test_a_large_rise_of_rejects_is_warned_of(before: float | None, after: float | None, large: bool) -> None:
    assert is_large(before, after) is large


def test_who_may_only_look_sees_the_mask_without_its_tools(taught: TestClient, good: bytes) -> None:
    taught.post("/v1/banks/caps/images?name=good.png", content=good, headers=PNG).raise_for_status()
    assert "data-tool" in page(taught, "/banks/caps/mask")
    text, _ = new_key(taught, "read")
    taught.post("/console/sign-in", data={"key": text, "next": "/"})
    shown = page(taught, "/banks/caps/mask")
    assert "data-tool" not in shown
    assert "This needs the role admin" in shown
    problem(taught.put("/console/v1/banks/caps/mask", content=b"{}"), 403, "forbidden")


def test_a_version_and_the_teach_page_say_what_share_of_a_photograph_is_inspected(
    console: TestClient, images: list[np.ndarray], backbone: Backbone
) -> None:
    mask = mask_text(np.arange(64)[None].repeat(64, axis=0) < 48)
    config = replace(SMALL, input=replace(SMALL.input, mask=mask))
    console.post("/v1/banks", json={"id": "half", "config": {"input": {"mask": mask}}}).raise_for_status()
    console.post(
        "/v1/banks/half/import", content=bank_bytes(build(images, config, backbone))
    ).raise_for_status()
    for path in ("/banks/half/versions/1", "/banks/half/teach"):
        shown = page(console, path)
        assert "75\N{NO-BREAK SPACE}%" in shown
        assert mask not in shown
