"""The system page: what each role sees, what goes wrong, what serves; and a long ledger that does not stall."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

from service_kit import service_of
from starlette.testclient import TestClient
from test_console_access import HTML, new_key, sign_in
from test_console_inspections import inspected, shown

from app.console.assets import STATIC
from app.lifecycle import vitals as about
from app.settings import Settings, Watched
from app.store.key_limits import KeyLimits
from app.store.schema import Inspection


def test_without_keys_the_page_says_who_may_call_and_what_serves(console: TestClient) -> None:
    text = shown(console, "/system")
    assert "No key yet: only this machine may call the server" in text
    for words in ("Everything works", "Build worker", "Recent problems", "OpenAPI document", "Apache-2.0"):
        assert words in text


def test_a_problem_that_was_answered_stands_on_the_page_without_its_secret(console: TestClient) -> None:
    text, id = new_key(console)
    console.get("/v1/banks/none", headers={"Authorization": f"Bearer {text}"})
    console.get(f"/v1/banks/{text}", headers={"Authorization": f"Bearer {text}"})
    sign_in(console, text)
    page = shown(console, "/system")
    assert "The bank must exist" in page
    assert "GET /v1/banks/none" in page
    assert text.removeprefix(f"nominal_{id}_") not in page


def test_keys_are_listed_for_administrators_alone(console: TestClient) -> None:
    admin, _ = new_key(console)
    _, id = new_key(console, "inspect")
    reader, _ = new_key(console, "read")
    sign_in(console, admin)
    assert id in shown(console, "/system")
    console.post("/console/sign-out")
    sign_in(console, reader)
    page = shown(console, "/system")
    assert "Only administrators see and create keys." in page
    assert id not in page


def test_the_limits_of_a_key_stand_beside_its_role(console: TestClient) -> None:
    text, _ = new_key(console)
    limits = KeyLimits(priority="line", share=0.3, requests_per_minute=6000)
    service_of(console).store.keys.create("line 3", "inspect", actor="test", limits=limits)
    sign_in(console, text)
    page = shown(console, "/system")
    assert "Inspect, priority line, share 30%, 6,000 requests per minute" in page


def test_a_watched_folder_stands_on_the_page_with_what_holds_it_up(
    serve: Callable[..., TestClient], settings: Settings, tmp_path: Path
) -> None:
    watch = [Watched(folder=tmp_path / "gone", bank="caps", station="line 1", after="move")]
    client = serve(settings.model_copy(update={"console": True, "watch": watch}))
    page = shown(client, "/system")
    for words in ("Watched folders", str(tmp_path / "gone"), "line 1", "moved by decision", "Held up"):
        assert words in page
    assert "the folder cannot be read: No such file or directory" in page


def test_every_part_has_a_release_and_a_licence(console: TestClient) -> None:
    parts = about.parts(service_of(console))
    assert {"nominal", "tiny", "torch", "nicegui"} <= {part.name for part in parts}
    assert all(part.version and part.licence and "\n" not in part.licence for part in parts)
    assert about.processor().cores >= 1


def test_a_ledger_of_ten_thousand_is_read_by_small_pages_at_once(taught: TestClient, bad: bytes) -> None:
    store, first = service_of(taught).store, inspected(taught, bad)["id"]
    values = {c.key: getattr(store.inspections.get(first), c.key) for c in Inspection.__table__.columns}
    del values["id"]
    store.inspections.add([Inspection(**values) for _ in range(10_000)])
    shown(taught, "/inspections")
    for path in ("/inspections", f"/inspections?before={store.inspections.page(limit=1000).next}"):
        started = time.perf_counter()
        answer = taught.get(f"/console{path}", headers=HTML)
        assert time.perf_counter() - started < 2
        assert len(set(re.findall(r"/console/inspections/[0-9a-f-]{36}", answer.text))) == 50
    started = time.perf_counter()
    assert "10,001 Reject" in shown(taught, "/review")
    assert time.perf_counter() - started < 4


def test_the_two_style_sheets_do_not_fight_over_a_name() -> None:
    """What inspection.css defines as a block of its own, console.css must not; both may refine shared ones."""
    own, shared = (
        set(re.findall(r"^\.(n-[\w-]+)(?=[ ,{:.])", (STATIC / file).read_text(), re.M))
        for file in ("inspection.css", "console.css")
    )
    assert own & shared <= {"n-section", "n-primary", "n-dialog"}
