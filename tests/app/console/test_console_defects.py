"""Kinds and likeness in the console: the review's field, the page of defects, the filter and its export."""

from __future__ import annotations

from starlette.testclient import TestClient
from test_console_inspections import inspected, shown

from app.console.widgets.filters import Wanted
from app.console.words import percent


def reviewed(client: TestClient, image: bytes, kind: str | None = None) -> str:
    """A defect's id."""
    id: str = inspected(client, image)["id"]
    body = {"verdict": "confirmed_defect"} | ({} if kind is None else {"kind": kind})
    assert client.post(f"/v1/inspections/{id}/reviews", json=body).status_code == 201
    return id


def test_the_page_of_an_inspection_offers_the_kinds_of_its_bank(taught: TestClient, bad: bytes) -> None:
    id = reviewed(taught, bad, "hairline <b>")
    page = shown(taught, f"/inspections/{id}")
    assert "Similar past inspections" in page
    assert "Kind of defect" in page
    assert "hairline" in page
    assert "<b>" not in page.partition("hairline")[2][:20]


def test_the_page_of_defects_names_kinds_and_says_what_has_no_name(taught: TestClient, bad: bytes) -> None:
    assert "No defect in this time" in shown(taught, "/banks/caps/defects")
    for kind in ("scratch", "scratch", None):
        reviewed(taught, bad, kind)
    page = shown(taught, "/banks/caps/defects?days=1&station=")
    assert page.index("scratch") < page.index("Unnamed, in no group")
    assert "2 parts" in page
    assert f"{percent(2 / 3)} of all defects" in page
    for path in ("pareto/export", "report"):
        assert f"/console/v1/banks/caps/{path}?" in page
        assert taught.get(f"/console/v1/banks/caps/{path}").status_code == 200
    assert "Defects by kind" in shown(taught, "/banks/caps/defects?days=nonsense")
    assert "/console/defects?days=1" in page


def test_the_page_of_all_banks_counts_kinds_by_bank_and_leads_to_each(taught: TestClient, bad: bytes) -> None:
    assert "No defect in this time" in shown(taught, "/defects")
    for kind in ("scratch", None):
        reviewed(taught, bad, kind)
    page = shown(taught, "/defects?days=1")
    assert page.index("scratch") < page.index("Unnamed")
    assert "caps: 1" in page
    assert "/console/banks/caps/defects?days=1" in page
    assert taught.get("/console/v1/pareto/export").status_code == 200


def test_a_filter_by_kind_is_read_from_an_address_and_said_in_an_export() -> None:
    wanted = Wanted.of({"kind": " scratch "})
    assert wanted.filter().kind == "scratch"
    assert wanted.query() == "?kind=scratch"
    assert "kind=scratch" in wanted.export_query("csv")
