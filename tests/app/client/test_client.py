"""The client against the real service: every call, from an empty server to a taught false alarm; sync and async."""

from __future__ import annotations

import asyncio
import inspect
import io
import json
import re
import threading
import zipfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from live_server import SMALL, application, live_server, picture, taught_server, write_pictures
from PIL import Image
from pydantic import ValidationError

from app.settings import Settings
from nominal_client import (
    AsyncClient,
    BadArgument,
    Client,
    ProblemError,
    advice,
    banks,
    builds,
    checks,
    defects,
    explanations,
    inspections,
    map_array,
    picture_bytes,
    server,
    sinks,
    sources,
)
from nominal_client.answers.jobs import Job
from nominal_client.call import Call, Pages

NOUNS = (advice, banks, builds, checks, defects, explanations, inspections, server, sinks, sources)
PNG = b"\x89PNG"


@pytest.fixture(scope="module")
def caps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A server with the bank ``caps``, built from twelve images."""
    with taught_server(tmp_path_factory.mktemp("service")) as client:
        yield client


@pytest.fixture
def flawed(caps: Client) -> str:
    """A rejected inspection's id."""
    return caps.inspect("caps", picture(99, flaw=True), serial="F-1", station="end of line").id


# Banks and their images


def test_a_mask_is_given_as_picture_array_path_or_outlines(caps: Client, tmp_path: Path) -> None:
    caps.create_bank("masked", config={"input": {"size": 64}})
    pixels = np.zeros((64, 64), np.uint8)
    pixels[:, :32] = 255
    outlines = {"width": 64, "height": 64, "inspect": [{"rectangle": [0, 0, 32, 64]}]}
    (tmp_path / "mask.json").write_text(json.dumps(outlines))
    for mask in (
        pixels,
        Image.fromarray(pixels),
        outlines,
        tmp_path / "mask.json",
        str(tmp_path / "mask.json"),
    ):
        found = caps.set_mask("masked", mask)
        assert (found.inspected_share, found.inspected_patches, found.patches) == (0.5, 32, 64)
        assert caps.get_mask("masked") == found
    with Image.open(io.BytesIO(caps.get_mask_picture("masked"))) as shown:
        assert np.array_equal(np.asarray(shown.convert("L")), pixels)
    with pytest.raises(ProblemError) as stale:
        caps.set_mask("masked", pixels, revision=1)
    assert stale.value.slug == "stale-revision"
    caps.remove_mask("masked")
    with pytest.raises(ProblemError, match="must have a mask"):
        caps.get_mask("masked")


def test_a_bank_is_created_changed_listed_and_deleted(caps: Client) -> None:
    made = caps.create_bank("nuts", "Nuts", target_review=0.2, pinned=True)
    assert (made.title, made.target_review, made.pinned, made.nominal_images) == ("Nuts", 0.2, True, 0)
    changed = caps.update_bank("nuts", target_review=None, title="Hex nuts", revision=made.revision)
    assert (changed.target_review, changed.title, changed.pinned) == (None, "Hex nuts", True)
    with pytest.raises(ProblemError) as stale:
        caps.update_bank("nuts", title="Late", revision=made.revision)
    assert (stale.value.status, stale.value.slug) == (412, "stale-revision")
    assert {"caps", "nuts"} <= {bank.id for bank in caps.list_banks()}
    assert caps.list_threshold_changes("nuts")[0].target_review is None
    caps.delete_bank("nuts")
    with pytest.raises(ProblemError) as gone:
        caps.get_bank("nuts")
    assert gone.value.slug == "not-found"


def test_a_misspelt_field_is_refused_by_its_name(caps: Client) -> None:
    with pytest.raises(ProblemError) as caught:
        caps.create_bank("bolts", titel="Bolts")  # type: ignore[call-arg]
    assert caught.value.slug == "invalid-request"
    assert [fault["pointer"] for fault in caught.value.members["errors"]] == ["#/titel"]
    with pytest.raises(ProblemError) as caught:
        caps.inspect("caps", picture(1), serail="S")  # type: ignore[call-arg]
    assert caught.value.slug == "invalid-request"


def test_an_upload_sent_again_is_harmless_and_a_bad_file_is_named(caps: Client, tmp_path: Path) -> None:
    caps.create_bank("again")
    folder = write_pictures(tmp_path, 3, first=100)
    (folder / "notes.png").write_bytes(b"not an image")
    first, second = caps.upload_images("again", folder), caps.upload_images("again", folder)
    assert (first.accepted, first.duplicate, first.rejected) == (3, 0, 1)
    assert (second.accepted, second.duplicate, second.rejected) == (0, 3, 1)
    refused = next(file for file in first.files if file.status == "rejected")
    assert refused.name == "notes.png"
    assert refused.problem is not None
    assert refused.problem["type"] == "/problems/image-format"
    assert caps.get_bank("again").nominal_images == 3


def test_what_a_folder_or_archive_holds_besides_images_is_named_in_the_answer(
    caps: Client, tmp_path: Path
) -> None:
    caps.create_bank("littered")
    folder = write_pictures(tmp_path / "nas", 2, first=400)
    (folder / "@eaDir").mkdir()
    (folder / "@eaDir" / "THUMB.png").write_bytes(picture(500))
    (folder / "notes.txt").write_bytes(b"words")
    uploaded = caps.upload_images("littered", folder)
    assert (uploaded.accepted, uploaded.rejected) == (2, 0)
    assert [(each.name, each.files) for each in uploaded.left_out] == [("@eaDir/", 1), ("notes.txt", 1)]
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.writestr("__MACOSX/._0.png", b"x")
        archive.writestr("0.png", picture(401))
    (zipped,) = caps.upload_images("littered", tmp_path / "set.zip").left_out
    assert (zipped.archive, zipped.name, zipped.files) == ("set.zip", "__MACOSX/", 1)


def test_a_zip_is_uploaded_beside_single_files(caps: Client, tmp_path: Path) -> None:
    caps.create_bank("zipped")
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for i in range(2):
            archive.writestr(f"day/{i}.png", picture(200 + i))
    (tmp_path / "one.png").write_bytes(picture(300))
    uploaded = caps.upload_images("zipped", [tmp_path / "set.zip", tmp_path / "one.png"])
    assert {(file.archive, file.name) for file in uploaded.files} == {
        ("set.zip", "day/0.png"), ("set.zip", "day/1.png"), (None, "one.png"),
    }  # fmt: skip


def test_serial_numbers_go_with_the_files_by_their_names(caps: Client, tmp_path: Path) -> None:
    caps.create_bank("marked")
    folder = write_pictures(tmp_path, 3, first=400)
    names = sorted(path.name for path in folder.iterdir())
    with pytest.raises(BadArgument, match=names[2]):
        caps.upload_images("marked", folder, serials=dict.fromkeys(names[:2], "A"))
    with pytest.raises(BadArgument, match=r"absent\.png"):
        caps.upload_images("marked", folder, serials=dict.fromkeys([*names, "absent.png"], "A"))
    said = dict(zip(names, ("A", "B", "A"), strict=True))
    uploaded = caps.upload_images("marked", folder, serials=said)
    assert {file.name: file.serial for file in uploaded.files} == said
    assert (caps.get_bank("marked").images_with_serial, caps.get_bank("marked").serials) == (3, 2)
    caps.create_bank("one-part")
    caps.upload_images("one-part", folder, serials="A")
    assert {image.serial for image in caps.list_images("one-part")} == {"A"}


def test_a_set_is_screened_and_its_report_kept_with_the_version(caps: Client) -> None:
    heard: list[Job] = []
    found = caps.screen("caps", expected=0.1, progress=heard.append)
    assert heard[-1].kind == "screening"
    assert found.current
    assert found.report.images == len(found.report.names) >= 12
    assert caps.get_suspect_overlay("caps", found.report.suspects[0].image, side=32)[:2] == b"\xff\xd8"
    shown = caps.get_screening("caps")
    assert shown.found == found
    assert shown.job is not None
    assert [job.id for job in caps.list_jobs("caps", kind="screening")] == [shown.job.id]
    with pytest.raises(ProblemError) as caught:
        caps.get_version_screening("caps", 10_000)
    assert caught.value.slug == "not-found"


def test_nominal_images_come_back_as_they_were_sent(caps: Client) -> None:
    shown = list(caps.list_images("caps"))
    assert len(shown) >= 12
    assert caps.get_image("caps", shown[0].sha256) == picture(0)
    assert caps.get_thumbnail("caps", shown[0].sha256, side=32).startswith(b"\xff\xd8\xff")


def test_one_nominal_image_is_deleted(caps: Client, tmp_path: Path) -> None:
    caps.create_bank("fewer")
    caps.upload_images("fewer", write_pictures(tmp_path, 2))
    first, second = caps.list_images("fewer")
    caps.delete_image("fewer", first.sha256)
    assert [image.sha256 for image in caps.list_images("fewer")] == [second.sha256]


def test_lists_longer_than_a_page_are_read_to_their_end(
    caps: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = caps.each(_by_one(banks.list_images("caps")))
    assert len({image.sha256 for image in asked}) == caps.get_bank("caps").nominal_images


def _by_one(pages: Pages[Any]) -> Pages[Any]:
    """The same list, one item a page."""

    def at(cursor: str | None) -> Call[Any]:
        call = pages.at(cursor)
        return Call(call.method, call.path, call.parse, {**call.params, "limit": 1})

    return Pages(at)


# Builds and versions


def test_a_build_is_started_watched_and_found_again(caps: Client) -> None:
    heard: list[Job] = []
    job = caps.start_build("caps", activate=False, idempotency_key="tuesday")
    assert caps.start_build("caps", activate=False, idempotency_key="tuesday").id == job.id
    ended = caps.wait_for_job(job.id, progress=heard.append, seconds=60)
    assert heard[-1] == ended
    assert ended.version is not None
    assert job.id in [other.id for other in caps.list_jobs("caps", "succeeded")]
    assert caps.get_job(job.id) == ended
    with pytest.raises(ProblemError) as caught:
        caps.cancel_job(job.id)
    assert caught.value.slug == "job-finished"
    assert not caps.get_version("caps", ended.version).active


def test_a_build_of_too_few_images_is_refused_with_the_reason(caps: Client) -> None:
    caps.create_bank("empty")
    with pytest.raises(ProblemError) as caught:
        caps.build("empty")
    assert caught.value.slug in ("too-few-images", "rate-unsupported")
    assert caught.value.remedy


def test_a_version_travels_as_a_file_is_activated_and_rolled_back(caps: Client, tmp_path: Path) -> None:
    first = caps.get_bank("caps").active_version
    assert first is not None
    file = caps.download_version("caps", first, tmp_path / "caps.bank")
    caps.create_bank("copy", config=SMALL)
    for _ in range(2):
        caps.import_version("copy", file, activate=True)
    assert caps.get_bank("copy").active_version == 2
    assert caps.roll_back("copy").active_version == 1
    with pytest.raises(BadArgument, match="sound version before"):
        caps.roll_back("copy")
    assert caps.activate_version("copy", 2).active_version == 2
    caps.delete_version("copy", 1)
    assert [version.number for version in caps.list_versions("copy")] == [2]
    there, here = caps.inspect("copy", picture(50)), caps.inspect("caps", picture(50))
    assert there.score == here.score


# Inspections


def test_a_good_part_is_accepted_and_a_flawed_one_rejected(caps: Client, tmp_path: Path) -> None:
    (tmp_path / "part.png").write_bytes(picture(3))
    assert caps.inspect("caps", tmp_path / "part.png").decision == "accept"
    flawed = caps.inspect("caps", picture(99, flaw=True), serial="S-7", within=20)
    assert (flawed.decision, flawed.serial) == ("reject", "S-7")
    assert flawed.score > flawed.thresholds.reject
    overridden = caps.inspect("caps", picture(99, flaw=True), reject_threshold=1e9, review_threshold=1e9)
    assert (overridden.decision, overridden.score) == ("accept", flawed.score)


def test_a_map_comes_inline_in_each_form(caps: Client) -> None:
    raw = caps.inspect("caps", picture(5), heatmap="raw").heatmap
    assert raw is not None
    scores = map_array(picture_bytes(raw))
    assert (scores.shape, scores.dtype) == ((64, 64), np.float32)
    for form in ("png", "overlay"):
        drawn = caps.inspect("caps", picture(5), heatmap=form).heatmap  # type: ignore[arg-type]
        assert drawn is not None
        assert picture_bytes(drawn).startswith(PNG)
    assert caps.inspect("caps", picture(5)).heatmap is None


def test_a_batch_answers_each_file_in_its_order(caps: Client, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(picture(7))
    batch = caps.inspect_batch("caps", [tmp_path / "a.png", ("b.png", b"no image")], station="lab")
    first, second = batch.items
    assert first.inspection is not None
    assert (first.name, first.inspection.name, first.inspection.station) == ("a.png", "a.png", "lab")
    assert second.problem is not None
    assert (second.name, second.problem["type"]) == ("b.png", "/problems/image-format")


@pytest.mark.parametrize("kind", [str, Path])
def test_a_path_is_read_and_gives_its_file_name(
    caps: Client, tmp_path: Path, kind: type[str] | type[Path]
) -> None:
    file = tmp_path / "part 7.png"
    file.write_bytes(picture(7))
    assert caps.inspect("caps", kind(file)).name == "part 7.png"
    assert caps.inspect_batch("caps", [kind(file)]).items[0].name == "part 7.png"
    assert caps.inspect("caps", picture(7)).name is None
    with pytest.raises(FileNotFoundError):
        caps.inspect("caps", kind(tmp_path / "none.png"))


def test_a_file_is_uploaded_by_a_path_as_text(caps: Client, tmp_path: Path) -> None:
    caps.create_bank("texts")
    folder = write_pictures(tmp_path, 2)
    assert caps.upload_images("texts", str(folder)).accepted == 2
    assert caps.upload_images("texts", str(folder / "000.png")).duplicate == 1
    assert caps.upload_images("texts", [str(folder / "000.png")]).duplicate == 1


def test_the_ledger_is_filtered_by_what_is_asked(caps: Client, flawed: str) -> None:
    now = datetime.now(UTC)
    found = list(
        caps.list_inspections(bank="caps", decision="reject", serial="F-1", since=now - timedelta(hours=1))
    )
    assert flawed in [inspection.id for inspection in found]
    assert all((inspection.decision, inspection.serial) == ("reject", "F-1") for inspection in found)
    assert list(caps.list_inspections(until=now - timedelta(hours=1))) == []
    assert caps.get_inspection(flawed).id == flawed


def test_the_ledger_is_exported_in_both_forms(caps: Client, flawed: str, tmp_path: Path) -> None:
    csv = caps.export_inspections(tmp_path / "ledger.csv", serial="F-1").read_text().splitlines()
    lines = (
        caps.export_inspections(tmp_path / "ledger.jsonl", form="jsonl", serial="F-1")
        .read_text()
        .splitlines()
    )
    assert csv[0].startswith("id,")
    assert len(csv) - 1 == len(lines) == len(list(caps.list_inspections(serial="F-1")))
    assert any(flawed in line for line in lines)


def test_pictures_of_a_kept_inspection_are_drawn_again(caps: Client, flawed: str) -> None:
    assert caps.get_inspected_image(flawed) == picture(99, flaw=True)
    assert caps.get_heatmap(flawed).startswith(PNG)
    assert map_array(caps.get_heatmap(flawed, "raw")).shape == (64, 64)
    assert caps.get_overlay(flawed).startswith(PNG)


def test_a_false_alarm_is_reviewed_and_taught(caps: Client) -> None:
    alarm = caps.inspect("caps", picture(123, flaw=True)).id
    before = caps.get_bank("caps").nominal_images
    with pytest.raises(ProblemError) as caught:
        caps.add_false_alarm(alarm)
    assert caught.value.slug == "not-a-false-alarm"
    first = caps.review(alarm, "confirmed_defect", revision=0)
    with pytest.raises(ProblemError) as stale:
        caps.review(alarm, "missed_defect", revision=0)
    assert stale.value.slug == "stale-revision"
    caps.review(alarm, "false_alarm", "a reflection", revision=first.revision)
    assert [review.verdict for review in caps.list_reviews(alarm)] == ["confirmed_defect", "false_alarm"]
    assert caps.add_false_alarm(alarm).nominal_images == before + 1
    assert caps.add_false_alarm(alarm).status == "duplicate"
    sha256 = caps.get_inspection(alarm).image_sha256
    assert sha256 is not None
    caps.delete_image("caps", sha256)


# What versions learnt and would do


def test_a_version_is_looked_into_and_thresholds_are_tried(caps: Client, flawed: str) -> None:
    told = caps.get_calibration("caps", 1, bins=5, hardest=2)
    assert (told.images, sum(told.counts), len(told.hardest)) == (12, 12, 2)
    assert all(image.sha256 and image.present for image in told.hardest)
    assert told.stage_seconds.keys() >= {"features", "coreset", "calibration"}
    tried = caps.explore_thresholds("caps", reject_threshold=1e9, review_threshold=1e9, limit=1)
    assert tried.flips["reject"]["accept"] == tried.flipped >= 1
    assert (len(tried.items), tried.expected_reject.above) == (1, 0)
    with pytest.raises(ProblemError) as caught:
        caps.explore_thresholds("caps", target_false_reject=0.001)
    assert caught.value.slug == "rate-unsupported"
    with pytest.raises(ProblemError) as caught:
        caps.price_thresholds("caps", missed_defect=500.0, false_reject=5.0, defect_rate=0.01)
    assert caught.value.slug == "too-few-defects"


def test_two_versions_are_compared_pair_by_pair(caps: Client, flawed: str) -> None:
    other = caps.build("caps", activate=False, seconds=60).version
    assert other is not None
    heard: list[int] = []
    pairs = caps.compare_versions("caps", 1, other, limit=2, progress=lambda pair: heard.append(pair.done))
    assert heard == [pair.done for pair in pairs] == list(range(1, len(pairs) + 1))
    assert pairs[0].a is not None
    assert pairs[0].a.decision == "reject"


def test_what_waits_is_listed_until_it_is_reviewed_and_again_once_withdrawn(caps: Client) -> None:
    waits = caps.inspect("caps", picture(77, flaw=True), serial="Q-1").id
    assert [each.id for each in caps.list_review_queue(serial="Q-1")] == [waits]
    caps.review(waits, "confirmed_defect")
    assert list(caps.list_review_queue(serial="Q-1")) == []
    told = caps.get_agreement(serial="Q-1")
    assert (told.confirmed, told.agreed.rate) == (1, 1.0)
    caps.review(waits, "withdrawn")
    assert [each.id for each in caps.list_review_queue(serial="Q-1")] == [waits]


def test_a_bank_is_told_by_hour(caps: Client) -> None:
    caps.inspect("caps", picture(78), station="trend-1")
    told = caps.get_trend("caps", station="trend-1", since=datetime.now(UTC) - timedelta(hours=2))
    assert sum(told.decided.values()) == 1
    assert [sum(hour.decided.values()) for hour in told.hours if hour.decided != told.decided] == [0, 0]
    assert "trend-1" in told.stations


# Health and keys


def test_health_is_told_on_every_level(caps: Client) -> None:
    assert caps.get_live().status == "alive"
    assert caps.get_ready().status == "ready"
    assert caps.get_health().ready
    assert caps.get_bank_health("caps", check=True).state == "ready"
    assert caps.get_version_of_service().api == "v1"


def test_keys_are_made_rotated_and_revoked(tmp_path: Path) -> None:
    with live_server(tmp_path) as live, Client(live.url) as anybody:
        admin = anybody.create_key("ops", "admin")
        with pytest.raises(ProblemError) as caught:
            list(anybody.list_banks())
        assert caught.value.slug == "unauthorized"
        with Client(live.url, admin.key) as ops:
            reader = ops.create_key("screen", "read", days=1)
            newer = ops.rotate_key(reader.id, overlap_seconds=60)
            with Client(live.url, newer.key) as screen:
                assert list(screen.list_banks()) == []
                with pytest.raises(ProblemError) as forbidden:
                    screen.create_bank("caps")
            assert forbidden.value.slug == "forbidden"
            assert ops.revoke_key(newer.id).revoked_at is not None
            assert {key.id for key in ops.list_keys()} == {admin.id, reader.id, newer.id}
            assert "key.revoke" in [entry.action for entry in ops.list_audit(f"key:{newer.id}")]


# The two clients are one


def test_the_asynchronous_client_does_the_same(tmp_path: Path) -> None:
    async def tour() -> None:
        async with served(Settings(data_dir=tmp_path / "data")) as client:
            await client.wait_until_ready()
            await client.create_bank("caps", config=SMALL)
            uploaded = await client.upload_images("caps", write_pictures(tmp_path / "good", 12))
            assert uploaded.accepted == 12
            assert (await client.build("caps", seconds=60)).version == 1
            answers = await asyncio.gather(*(client.inspect("caps", picture(i)) for i in range(4)))
            assert {answer.version for answer in answers} == {1}
            assert len([i async for i in client.list_inspections(bank="caps")]) == 4
            saved = await client.download_version("caps", 1, tmp_path / "caps.bank")
            assert (await client.import_version("caps", saved)).number == 2
            assert len((await client.export_inspections(tmp_path / "all.csv")).read_text().splitlines()) == 5
            with pytest.raises(ProblemError):
                await client.get_bank("none")

    asyncio.run(tour())


@asynccontextmanager
async def served(settings: Settings) -> AsyncIterator[AsyncClient]:
    """A client that calls the application itself, without a network."""
    with application(settings) as app:
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app)
            async with AsyncClient("http://127.0.0.1", transport=transport) as client:
                yield client


def test_threads_may_share_a_client(caps: Client) -> None:
    scores: list[float] = []
    threads = [
        threading.Thread(target=lambda: scores.append(caps.inspect("caps", picture(42)).score))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(scores) == 8
    assert len(set(scores)) == 1


def descriptions() -> dict[str, Callable[..., Any]]:
    """Every public function that describes a call."""
    found = {}
    for noun in NOUNS:
        for name, function in inspect.getmembers(noun, inspect.isfunction):
            told = str(inspect.signature(function).return_annotation)
            if function.__module__ == noun.__name__ and re.match(r"Call|Flow|Pages", told) and name[0] != "_":
                found[name] = function
    return found


def test_both_clients_have_every_description_as_a_method() -> None:
    described = descriptions()
    assert len(described) > 40
    for name, function in described.items():
        for client in (Client, AsyncClient):
            method = getattr(client, name)
            assert method.__wrapped__ is function
            assert list(inspect.signature(method).parameters) == [
                "self",
                *inspect.signature(function).parameters,
            ]


def test_every_operation_of_the_service_has_a_call(tmp_path: Path) -> None:
    (tmp_path / "f.png").write_bytes(b"x")
    sample: dict[str, Any] = {
        "bank": "b",
        "check": "c",
        "job": "j",
        "version": 1,
        "a": 1,
        "b": 1,
        "sha256": "s",
        "inspection": "i",
        "key": "k",
        "person": "person:p",
        "old": "scratch",
        "new": "crack",
        "sink": "s",
        "source": "s",
        "id": "s",
        "target": {},
        "missed_defect": 500.0,
        "false_reject": 5.0,
        "defect_rate": 0.01,
    }
    sample |= {
        "image": b"",
        "mask": b"",
        "images": [("n", b"")],
        "files": tmp_path,
        "path": tmp_path / "f.png",
        "file": None,
    }
    sample |= {"verdict": "false_alarm", "name": "n", "role": "read"}
    asked = {_first_call(function, sample) for function in descriptions().values()}
    with application(Settings(data_dir=tmp_path)) as app:
        for path, operations in app.openapi()["paths"].items():
            for method in operations:
                pattern = re.compile(re.sub(r"\{\w+\}", "[^/]+", path))
                called = any(m == method.upper() and pattern.fullmatch(p) for m, p in asked)
                others = path in ("/metrics", "/problems/{slug}") or path.startswith(
                    "/v2"
                )  # have clients of their own
                assert called or others, f"{method} {path}"


def _first_call(describe: Callable[..., Any], sample: dict[str, Any]) -> tuple[str, str]:
    parameters = inspect.signature(describe).parameters.values()
    needed = [p for p in parameters if p.default is p.empty and p.kind != p.VAR_KEYWORD]
    described = describe(**{p.name: sample[p.name] for p in needed})
    if isinstance(described, Pages):
        described = described.at(None)
    call = described if isinstance(described, Call) else next(described)
    return call.method, call.path


def test_an_answer_cannot_be_changed(caps: Client) -> None:
    bank = caps.get_bank("caps")
    with pytest.raises(ValidationError):
        bank.title = "other"


def test_a_version_is_tried_on_labelled_images_and_its_figures_are_read(caps: Client, tmp_path: Path) -> None:
    write_pictures(tmp_path / "good", 3)
    (tmp_path / "scratch").mkdir()
    (tmp_path / "scratch" / "a.png").write_bytes(picture(70, flaw=True))
    sent = caps.upload_check_images("caps", "line", tmp_path)
    assert (sent.accepted, sent.images) == (4, 4)
    assert caps.upload_check_images("caps", "line", tmp_path).duplicate == 4
    assert {image.kind for image in caps.list_check_images("caps", "line")} == {"good", "scratch"}
    found = caps.check("caps", "line")
    every = list(caps.list_checked_images("caps", "line", found.version))
    assert every == found.items
    (worst,) = [each for each in every if each.image.kind == "scratch"]
    assert caps.get_check_overlay("caps", "line", found.version, worst.image.sha256)[1:4] == b"PNG"
    assert caps.get_check_image("caps", "line", worst.image.sha256) == picture(70, flaw=True)
    assert [each.name for each in caps.list_check_sets("caps").items] == ["line"]
    assert caps.get_check_set("caps", "line").tried[0].found == found.found
    caps.delete_check_image("caps", "line", worst.image.sha256)
    assert caps.get_check("caps", "line", found.version, limit=1).found.total == 0
    caps.delete_check_set("caps", "line")
    assert caps.list_check_sets("caps").items == []
