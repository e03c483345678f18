"""``nominal remote`` against the real service, as a person types it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from live_server import SMALL, live_server, picture, taught_server, write_pictures

from nominal_client import Client

pytest_plugins = ("command_line",)

Run = Callable[..., Any]  # of command_line.Ended


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A server with the bank ``caps``, built."""
    with taught_server(tmp_path_factory.mktemp("service")) as client:
        yield client


@pytest.fixture
def remote(nominal: Run, server: Client, monkeypatch: pytest.MonkeyPatch) -> Run:
    """``remote("health")`` runs ``nominal remote health`` on the server."""
    monkeypatch.setenv("NOMINAL_URL", str(server._http.base_url))
    return lambda *words: nominal("remote", *words)


def test_a_bank_is_made_taught_built_and_deleted(remote: Run, tmp_path: Path) -> None:
    config = json.dumps({name: value for name, value in SMALL.items() if name != "input"})
    made = remote(
        "banks", "create", "nuts", "--title", "Nuts", "--size", 64, "--config", config, "--json"
    ).json
    assert (made["id"], made["title"], made["config"]["input"]["size"]) == ("nuts", "Nuts", 64)
    assert made["config"]["target_false_reject"] == SMALL["target_false_reject"]

    sent = remote("upload", "nuts", write_pictures(tmp_path, 11))
    assert (sent.status, sent.out) == (0, "11 accepted, 0 known before, 0 rejected; 11 in the bank\n")
    (tmp_path / "bad.png").write_bytes(b"no image")
    again = remote("upload", "nuts", tmp_path)
    assert (again.status, again.out) == (1, "0 accepted, 11 known before, 1 rejected; 11 in the bank\n")
    assert "bad.png: " in again.err

    built = remote("build", "nuts")
    assert built.status == 0
    assert built.out.startswith("Version 1 of nuts is active\n")
    assert "nuts" in remote("banks", "list").out
    assert remote("banks", "show", "nuts", "--json").json["active_version"] == 1
    assert remote("banks", "delete", "nuts", "--yes").out == "Deleted nuts\n"
    assert "nuts" not in remote("banks", "list").out


def test_a_banks_images_are_screened_by_their_names(remote: Run) -> None:
    shown = remote("screen", "caps", "--expect", 0.1)
    assert shown.status == 0, shown.err
    assert "photographs of" in shown.out
    assert "Suspects, the worst first" in shown.out
    report = remote("screen", "caps", "--groups", "none", "--json").json
    assert report["parts"] == report["images"]
    names = report["names"].values()
    assert any(name in shown.out for name in names)
    assert remote("screen", "absent").status == 1


def test_a_version_is_tried_on_a_published_set_and_its_misses_are_named(remote: Run, tmp_path: Path) -> None:
    write_pictures(tmp_path / "train" / "good", 2)
    write_pictures(tmp_path / "test" / "good", 3, first=600)
    (tmp_path / "test" / "scratch").mkdir()
    (tmp_path / "test" / "scratch" / "a.png").write_bytes(picture(71, flaw=True))
    sent = remote("checks", "upload", "caps", "line", tmp_path)
    assert (sent.status, sent.out.splitlines()[-1]) == (0, "4 images in line")
    loose = remote("checks", "upload", "caps", "line", tmp_path / "test" / "scratch" / "a.png")
    assert loose.status == 1
    assert "says what it shows" in loose.err
    other = remote("checks", "upload", "caps", "line", tmp_path / "test" / "scratch", "--kind", "dent")
    assert other.status == 1
    assert "labelled 'scratch'" in other.err
    tried = remote("checks", "run", "caps", "line")
    assert tried.status == 0, tried.err
    assert "found 1 of 1 (100.0%, 95 % interval 2.5% to 100.0%)" in tried.out
    assert "scratch: found 1 of 1" in tried.out
    assert "Few defects" in tried.err
    found = remote("checks", "show", "caps", "line", "--version", 1, "--json").json
    assert (found["found"]["count"], found["alarms"]["total"]) == (1, 3)
    assert "4 images: 3 good, 1 scratch" in remote("checks", "show", "caps", "line").out
    assert "line" in remote("checks", "list", "caps").out
    assert remote("checks", "delete", "caps", "line", "--yes").out == "Deleted line\n"


def test_an_upload_says_which_images_show_one_part(remote: Run, tmp_path: Path) -> None:
    remote("banks", "create", "marked", "--size", 64, "--target-false-reject", 0.085)
    folder = write_pictures(tmp_path / "good", 12, first=500)
    sent = remote("upload", "marked", folder, "--groups", "[0-9]*([0-9])", "--json").json
    assert {file["serial"] for file in sent["files"]} == set("0123456789")
    few = remote("build", "marked")
    assert few.status != 0
    assert "10 parts" in few.err
    table = tmp_path / "parts.csv"
    names = sorted(path.name for path in folder.iterdir())
    table.write_text("image,part\n" + "".join(f"{name},{i}\n" for i, name in enumerate(names)))
    refused = remote("upload", "marked", folder, "--groups", table)
    assert "has the serial number" in refused.err
    assert "--groups of an upload" in remote("upload", "marked", folder, "--groups", "auto").err
    remote("banks", "create", "one", "--size", 64)
    one = remote("upload", "one", folder, "--serial", "A-17", "--json").json
    assert {file["serial"] for file in one["files"]} == {"A-17"}


def test_a_mask_is_set_shown_and_removed(remote: Run, tmp_path: Path) -> None:
    remote("banks", "create", "masked", "--size", 64)
    assert "must have a mask" in remote("banks", "mask", "masked").err
    file = tmp_path / "mask.json"
    file.write_text('{"width": 64, "height": 64, "ignore": [{"rectangle": [0, 0, 32, 64]}]}')
    assert remote("banks", "mask", "masked", file).out == "50% of a photograph, 32 of 64 patches\n"
    assert remote("banks", "mask", "masked", "--json").json["inspected_share"] == 0.5
    assert "50% of a photograph" in " ".join(remote("banks", "show", "masked").out.split())
    assert "Leave one of the two out" in remote("banks", "mask", "masked", file, "--remove").err
    assert remote("banks", "mask", "masked", "--remove").status == 0
    assert remote("banks", "mask", "masked").status == 1


def test_images_are_inspected_and_drawn(remote: Run, tmp_path: Path) -> None:
    parts = [tmp_path / "a" / "part.png", tmp_path / "b" / "part.png"]
    for part, flaw in zip(parts, (False, True), strict=True):
        part.parent.mkdir()
        part.write_bytes(picture(5, flaw=flaw))
    shown = remote("inspect", "caps", *parts, "--overlays", tmp_path / "out", "--serial", "S-1")
    assert shown.status == 0
    assert "accept" in shown.out
    assert "reject" in shown.out
    drawn = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert drawn == ["part-2_overlay.png", "part_overlay.png"]
    good, flawed = remote("inspect", "caps", *parts, "--json").json["inspections"]
    assert (good["decision"], flawed["decision"]) == ("accept", "reject")
    assert good["image"] == str(parts[0])


def test_a_bad_image_is_named_and_the_others_inspected(remote: Run, tmp_path: Path) -> None:
    (tmp_path / "good.png").write_bytes(picture(5))
    (tmp_path / "bad.png").write_bytes(b"no image")
    files = [tmp_path / name for name in ("bad.png", "none.png", "good.png")]
    ended = remote("inspect", "caps", *files)
    assert ended.status == 1
    assert "accept" in ended.out
    assert "bad.png: " in ended.err
    assert "none.png: No such file" in ended.err


def test_a_fault_of_no_image_ends_the_command(remote: Run, tmp_path: Path) -> None:
    (tmp_path / "good.png").write_bytes(picture(5))
    ended = remote("inspect", "none", tmp_path / "good.png")
    assert ended.status == 1
    assert ended.out == ""
    assert ended.err.startswith("ProblemError: The bank must exist; received 'none'.")


def test_the_ledger_is_listed_exported_and_reviewed(remote: Run, tmp_path: Path) -> None:
    (tmp_path / "flawed.png").write_bytes(picture(77, flaw=True))
    found = remote("inspect", "caps", tmp_path / "flawed.png", "--serial", "R-1", "--json").json
    id = found["inspections"][0]["id"]
    asked = ("--bank", "caps", "--serial", "R-1", "--decision", "reject", "--since", "2020-01-01")
    assert [i["id"] for i in remote("inspections", "list", *asked, "--json").json["inspections"]] == [id]
    assert "R-1" in remote("inspections", "list", *asked).out
    assert remote("inspections", "list", "--until", "2020-01-01", "--json").json == {"inspections": []}
    csv = remote("inspections", "export", *asked).out.splitlines()
    assert len(csv) == 2
    remote("inspections", "export", "jsonl", "--out", tmp_path / "all.jsonl", *asked)
    assert json.loads((tmp_path / "all.jsonl").read_text())["id"] == id
    said = remote("review", id, "false_alarm", "--note", "a reflection", "--teach")
    assert said.out.startswith(f"Review 1 of {id}: false_alarm\nIts image is in the nominal set (accepted)")


def test_similar_inspections_and_kinds_are_listed_and_kinds_renamed(remote: Run, tmp_path: Path) -> None:
    (tmp_path / "flawed.png").write_bytes(picture(78, flaw=True))
    first, again = (
        remote("inspect", "caps", tmp_path / "flawed.png", "--json").json["inspections"][0]["id"]
        for _ in range(2)
    )
    remote("review", first, "confirmed_defect", "--kind", "scrach")
    assert "1 inspections of caps" in remote("kinds", "rename", "caps", "scrach", "scratch").out
    assert {"kind": "scratch", "count": 1} in remote("kinds", "list", "caps", "--json").json["kinds"]
    listed = remote("inspections", "list", "--kind", "scratch", "--json").json["inspections"]
    assert [each["id"] for each in listed] == [first]
    found = remote("similar", again, "--reviewed", "-k", "50", "--json").json
    assert first in [each["inspection"]["id"] for each in found["items"]]
    shown = remote("similar", again, "--reviewed", "-k", "50").out
    assert first in shown
    assert "scratch" in shown
    assert "No kind is suggested" in shown  # one voter is too few
    mined = remote("patterns", "caps", "--count", "1", "--json").json
    assert [each["of"] for each in mined["minings"]] == ["residual", "whole"]
    assert "residual: separation" in remote("patterns", "caps", "--last").out
    page = tmp_path / "shift.html"
    assert "Wrote" in remote("report", "caps", "-o", page).out
    assert "scratch" in page.read_text(encoding="utf-8")


def test_the_cheapest_threshold_is_found_from_reviewed_defects(
    remote: Run, server: Client, tmp_path: Path
) -> None:
    costs = ("--missed-defect", 500, "--false-reject", 5, "--defect-rate", 0.01)
    assert "at least 10 reviewed defects" in remote("economics", "caps", "--version", 1, *costs).err
    for i in range(10):
        found = server.inspect("caps", (f"{i}.png", picture(800 + i, flaw=True)))
        server.review(found.id, "confirmed_defect")
    told = remote("economics", "caps", *costs, "--json").json
    assert told["defects"] >= 10
    assert told["low"] <= told["best"]["threshold"] <= told["high"]
    shown = remote("economics", "caps", *costs)
    assert shown.status == 0, shown.err
    assert f"{told['best']['threshold']:.3f}" in shown.out
    assert "seldom reviewed" in shown.err
    assert "defect_rate" in remote("economics", "caps", *costs[:5], 1).err


def test_a_bank_is_shown_by_hour(remote: Run, tmp_path: Path) -> None:
    (tmp_path / "flawed.png").write_bytes(picture(77, flaw=True))
    remote("inspect", "caps", tmp_path / "flawed.png", "--station", "T-1")
    told = remote("trend", "caps", "--station", "T-1", "--json").json
    assert told["decided"]["reject"] == 1
    lines = remote("trend", "caps", "--station", "T-1").out.splitlines()
    assert "hour (UTC)" in lines[0]
    assert len([line for line in lines if line.split()[2:5] == ["0", "0", "1"]]) == 1
    assert (
        remote("trend", "caps", "--since", "2020-01-01", "--until", "2020-01-02", "--json").json["median"]
        is None
    )


def test_versions_are_listed_carried_and_rolled_back(remote: Run, tmp_path: Path) -> None:
    file = tmp_path / "caps.bank"
    assert remote("versions", "download", "caps", 1, "--out", file).status == 0
    imported = remote("versions", "import", "caps", file, "--activate")
    assert imported.out.endswith("of caps is active\n")
    assert remote("versions", "roll-back", "caps").status == 0
    assert remote("versions", "activate", "caps", 1).out == "Version 1 of caps is active\n"
    listed = remote("versions", "list", "caps", "--json").json["versions"]
    assert [version["number"] for version in listed if version["active"]] == [1]
    assert "yes" in remote("versions", "list", "caps").out


def test_health_is_shown_and_its_status_says_whether_all_is_well(remote: Run) -> None:
    assert remote("health", "caps", "--check", "--json").json["state"] == "ready"
    assert remote("health").out.split()[:2] == ["status", "ok"]
    remote("banks", "create", "blank")
    assert remote("health", "blank").status == 1


@pytest.mark.parametrize("words", [["health"], ["health", "caps"], ["banks", "show", "caps"]])
def test_facts_are_printed_for_people(remote: Run, words: list[str]) -> None:
    out = remote(*words).out
    assert not set("{}[]") & set(out)
    assert "None" not in out


def test_a_server_that_is_not_there_is_a_plain_message(nominal: Run) -> None:
    ended = nominal("remote", "--url", "http://127.0.0.1:9", "cancel", "j1")
    assert ended.status == 1
    assert ended.err.startswith("ConnectionFailed: A server at http://127.0.0.1:9 must answer")


def test_a_key_is_taken_from_the_variable(
    nominal: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with live_server(tmp_path) as live, Client(live.url) as client:
        client.wait_until_ready()
        key = client.create_key("cli", "admin").key
        refused = nominal("remote", "--url", live.url, "banks", "list")
        assert refused.status == 1
        assert "valid API key" in refused.err
        monkeypatch.setenv("NOMINAL_API_KEY", key)
        assert nominal("remote", "--url", live.url, "banks", "list", "--json").json == {"banks": []}


def test_config_must_be_a_json_object(remote: Run) -> None:
    ended = remote("banks", "create", "odd", "--config", "[1]")
    assert ended.status == 1
    assert ended.err.startswith("BadArgument: --config must be a JSON object; received [1].")


def test_a_version_is_looked_into_and_compared_with_another(
    remote: Run, server: Client, tmp_path: Path
) -> None:
    server.create_bank("lids", "Lids", config=SMALL)
    server.upload_images("lids", write_pictures(tmp_path, 12))
    for _ in range(2):
        server.build("lids", seconds=60)
    server.inspect("lids", picture(88, flaw=True))
    told = remote("versions", "calibration", "lids", 1)
    assert told.out.startswith("12 nominal images support false-reject rates from 7.692 %")
    assert ".png" in told.out
    assert len(remote("versions", "calibration", "lids", 1, "--json").json["hardest"]) == 12
    compared = remote("versions", "compare", "lids", 1, 2, "--limit", 1)
    assert (compared.status, compared.out) == (0, "0 of 1 inspections are decided differently\n")
    (pair,) = remote("versions", "compare", "lids", 1, 2, "--limit", 1, "--json").json["pairs"]
    assert pair["a"]["decision"] == pair["b"]["decision"] == "reject"


def test_sinks_are_made_watched_and_deleted(remote: Run) -> None:
    made = remote(
        "sinks", "webhook", "mes", "http://127.0.0.1:9/", "--decision", "reject", "--kind", "reviewed"
    )
    assert made.out.startswith("Created mes\nSecret, shown this once: whsec_"), made.err
    listed = remote("sinks", "list", "--json").json["sinks"]
    assert [(each["id"], each["kinds"], each["decisions"]) for each in listed] == [
        ("mes", ["reviewed"], ["reject"])
    ]
    failed = remote("sinks", "sample", "mes")
    assert failed.status == 1
    assert "NOMINAL_SINK_ADDRESSES" in failed.err
    assert "whsec_" in remote("sinks", "rotate", "mes", "--overlap", 1).out
    assert remote("sinks", "switch", "mes", "--off").out == "mes is off\n"
    assert remote("sinks", "resend", "mes").out == "0 events wait again\n"
    assert remote("sinks", "events", "mes", "--json").json == {"events": []}
    assert remote("sinks", "mqtt", "plant", "127.0.0.1", "--port", 9).out == "Created plant\n"
    assert "mqtt" in remote("sinks", "show", "plant").out
    refused = remote("sinks", "modbus", "plc", "caps")
    assert (refused.status, "BANK=NUMBER" in refused.err) == (2, True)
    for made in (
        remote("sinks", "modbus", "plc", "caps=1", "lids=2", "--address", "192.0.2.1", "--acknowledge"),
        remote("sinks", "opcua", "scada", "--address", "192.0.2.1", "--anonymous", "--security", "none"),
    ):
        assert made.status == 0, made.err
    targets = {each["id"]: each["target"] for each in remote("sinks", "list", "--json").json["sinks"]}
    assert (targets["plc"]["units"], targets["plc"]["acknowledge"]) == ({"caps": 1, "lids": 2}, True)
    assert (targets["scada"]["security"], targets["scada"]["anonymous"]) == ("none", True)
    assert "192.0.2.1" in remote("sinks", "sample", "plc").err
    for name in ("mes", "plant", "plc", "scada"):
        assert remote("sinks", "delete", name, "--yes").out == f"Deleted {name}\n"
