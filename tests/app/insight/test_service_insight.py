"""What versions learnt and would do: calibration, thresholds tried out, two versions compared; over HTTP."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from parts import SMALL, build, parts, scratched
from service_kit import inspect, problem, service_of
from starlette.testclient import TestClient

from app.errors import PictureUnavailable, QueueFull
from app.imaging.pictures import encode_jpeg, encode_png
from app.insight import comparing, exploring, review_queue
from app.insight.held_out import inspect_held_out
from app.inspection.engine import Engine
from app.inspection.lanes import BACKGROUND, Lane
from app.settings import Settings
from app.store.inspections import EVERY
from app.store.schema import Inspection
from core.bank import bank_bytes, load_bank
from core.input.photograph import Photograph
from core.judging.scoring import Thresholds, decide
from models.backbone import Backbone

CAPS = "/v1/banks/caps"
BIG = 1e9


@pytest.fixture(scope="session")
def other_file(backbone: Backbone) -> bytes:
    """A second version, of other photographs."""
    return bank_bytes(build(parts(30, seed=2), SMALL, backbone))


@pytest.fixture
def two(banked: TestClient, other_file: bytes) -> TestClient:
    """The bank ``caps`` with version 1 active and 2 beside it."""
    assert banked.post(f"{CAPS}/import", content=other_file).json()["number"] == 2
    return banked


def recorded(client: TestClient, count: int, version: int = 1, bank: str = "caps") -> list[Inspection]:
    """``count`` inspections of a version in the ledger, scores 0 to 4, some reviewed; oldest first."""
    rng = np.random.default_rng(count)
    digests = {"bank": service_of(client).store.versions.all("caps")[-1].sha256}
    rows = []
    for score in rng.uniform(0, 4, count).tolist():
        decision = decide(score, Thresholds(2.0, 3.0))
        verdict = rng.choice(["confirmed_defect", "false_alarm", "missed_defect", ""]) or None
        rows.append(
            Inspection(
                bank=bank, version=version, width=8, height=8, score=score, review_threshold=2.0,
                reject_threshold=3.0, decision=decision, regions=[], timings={}, digests=digests, verdict=verdict,
            )
        )  # fmt: skip
    service_of(client).store.inspections.add(rows)
    return sorted(rows, key=lambda row: row.id)


# Calibration


def test_a_versions_calibration_tells_its_scores_and_the_hardest_images_first(
    banked: TestClient, bank_file: bytes
) -> None:
    bank = load_bank(bank_file)
    told = banked.get(f"{CAPS}/versions/1/calibration?bins=10&hardest=3").json()
    highest = np.argsort(-bank.calibration_scores, kind="stable")[:3]
    assert [each["name"] for each in told["hardest"]] == [bank.provenance.images[i] for i in highest]
    assert [each["score"] for each in told["hardest"]] == pytest.approx(
        bank.calibration_scores[highest].tolist()
    )
    assert (sum(told["counts"]), len(told["edges"]), told["images"]) == (24, 11, 24)
    assert told["supported_false_reject"] == pytest.approx(1 / 25)
    assert (told["promise"]["n"], told["promise"]["rate"]) == (24, 0.2)
    assert told["expected_reject"]["expected"] == pytest.approx(told["promise"]["expected"])


def test_the_calibration_of_a_version_in_memory_and_on_disk_is_the_same(banked: TestClient) -> None:
    service = service_of(banked)
    warm = banked.get(f"{CAPS}/versions/1/calibration").json()
    service.inspecting.registry.drop("caps")
    service.inspecting.calibrations._known.clear()
    assert banked.get(f"{CAPS}/versions/1/calibration").json() == warm
    assert service.inspecting.registry.loaded() == []  # looking loads nothing


def test_a_threshold_set_by_hand_is_judged_by_the_scores_and_promises_no_rate(banked: TestClient) -> None:
    banked.patch(CAPS, json={"reject_threshold": BIG})
    told = banked.get(f"{CAPS}/versions/1/calibration").json()
    assert (told["promise"], told["thresholds"]) == (None, {"review": BIG, "reject": BIG})
    assert (told["expected_reject"]["above"], told["expected_reject"]["low"]) == (0, 0.0)


def test_a_version_that_cannot_follow_the_banks_rates_says_so_and_still_shows_its_scores(
    banked: TestClient, backbone: Backbone
) -> None:
    few = bank_bytes(build(parts(6), SMALL, backbone))
    banked.post(f"{CAPS}/import", content=few)
    banked.patch(CAPS, json={"target_false_reject": 0.05})
    told = banked.get(f"{CAPS}/versions/2/calibration").json()
    assert (told["thresholds"], told["images"]) == (None, 6)
    assert "19 nominal images" in told["reason"]


def test_hardest_images_say_whether_they_are_still_in_the_nominal_set(client: TestClient) -> None:
    """A bank built here names images by digest."""
    service, store = service_of(client), service_of(client).store
    client.post("/v1/banks", json={"id": "caps"})
    files = [("file", (f"{i}.png", encode_png(image), "image/png")) for i, image in enumerate(parts(6))]
    sent = client.post(f"{CAPS}/images", files=files).json()["files"]
    bank = build(parts(6), SMALL, service.inspecting.backbones.default)
    names = tuple(f"{file['sha256']}/{file['name']}" for file in sent)
    object.__setattr__(bank.provenance, "images", names)
    client.post(f"{CAPS}/import?activate=true", content=bank_bytes(bank))
    store.images.remove("caps", sent[0]["sha256"], actor="test")
    hardest = client.get(f"{CAPS}/versions/1/calibration").json()["hardest"]
    assert {each["sha256"]: each["present"] for each in hardest} == {
        file["sha256"]: file is not sent[0] for file in sent
    }
    assert {each["name"] for each in hardest} == {f"{i}.png" for i in range(6)}


# Thresholds tried out


def test_an_exploration_counts_what_deciding_each_inspection_anew_counts(banked: TestClient) -> None:
    rows = recorded(banked, 300)
    recorded(banked, 20, version=2)  # scores of another version are not comparable
    recorded(banked, 20, bank="lids")
    told = banked.get(f"{CAPS}/exploration?review_threshold=1&reject_threshold=2.5&bins=20").json()
    after = [decide(row.score, Thresholds(1.0, 2.5)) for row in rows]
    assert told["inspections"] == 300
    assert told["decided"] == {name: after.count(name) for name in ("accept", "review", "reject")}
    assert told["flipped"] == sum(row.decision != new for row, new in zip(rows, after, strict=True)) > 0
    defects = [new for row, new in zip(rows, after, strict=True) if (row.verdict or "").endswith("defect")]
    assert (told["found"]["count"], told["found"]["total"]) == (
        sum(new != "accept" for new in defects),
        len(defects),
    )
    assert told["found"]["low"] < told["found"]["rate"] < told["found"]["high"]
    unreviewed = [new for row, new in zip(rows, after, strict=True) if row.verdict is None]
    assert told["outcomes"]["unreviewed"]["reject"] == unreviewed.count("reject")
    assert sum(map(sum, told["recorded"].values())) == 300
    assert sum(told["nominal"]) == 24


def test_flips_come_newest_first_in_pages_without_gap_or_overlap(banked: TestClient) -> None:
    rows = recorded(banked, 100)
    expected = [row for row in reversed(rows) if decide(row.score, Thresholds(1.0, 1.0)) != row.decision]
    found: list[dict[str, Any]] = []
    before = ""
    while True:
        page = banked.get(f"{CAPS}/exploration?reject_threshold=1&limit=7{before}").json()
        found += page["items"]
        if page["next"] is None:
            break
        before = f"&before={page['next']}"
    assert [flip["id"] for flip in found] == [row.id for row in expected]
    assert {(flip["decision"], flip["would_be"]) for flip in found} <= {
        ("accept", "reject"),
        ("review", "reject"),
    }


def test_a_rate_is_explored_as_saving_it_would_have_it(banked: TestClient, good: bytes) -> None:
    banked.patch(CAPS, json={"reject_threshold": BIG})
    tried = banked.get(f"{CAPS}/exploration?target_false_reject=0.1").json()
    assert (tried["present"], tried["revision"]) == ({"review": BIG, "reject": BIG}, 3)
    saved = banked.patch(CAPS, json={"target_false_reject": 0.1, "reject_threshold": None})
    assert saved.status_code == 200
    assert inspect(banked, good)["thresholds"] == tried["thresholds"]


@pytest.mark.parametrize(
    ("query", "status", "slug"),
    [
        ("target_false_reject=0.01", 422, "rate-unsupported"),
        ("review_threshold=3&reject_threshold=2", 422, "invalid-config"),
        ("target_false_reject=0.2&target_review=0.1", 422, "invalid-config"),
        ("reject_threshold=nan", 422, "invalid-request"),
        ("rejct_threshold=2", 422, "invalid-request"),
        ("version=7", 404, "not-found"),
        ("bins=0", 422, "invalid-request"),
    ],
)
def test_what_cannot_be_explored_is_refused(banked: TestClient, query: str, status: int, slug: str) -> None:
    problem(banked.get(f"{CAPS}/exploration?{query}"), status, slug)


def test_a_bank_without_a_version_has_nothing_to_explore(client: TestClient) -> None:
    client.post("/v1/banks", json={"id": "empty"})
    problem(client.get("/v1/banks/empty/exploration"), 409, "bank-without-version")
    problem(client.get("/v1/banks/none/exploration"), 404, "not-found")


def test_ten_thousand_recorded_inspections_are_explored_at_a_sliders_pace(banked: TestClient) -> None:
    """A page reads them once and explores at every move; the bound is generous for a busy machine."""
    recorded(banked, 10_000)
    subject = exploring.subject(service_of(banked).inspecting, "caps")
    started = time.perf_counter()
    for i in range(50):
        exploring.explore(subject, {"reject_threshold": 1 + i / 25})
    assert (time.perf_counter() - started) / 50 < 0.05
    assert len(subject.recorded.rows) == 10_000


def test_thresholds_are_saved_with_a_note_and_the_later_of_two_editors_is_told(banked: TestClient) -> None:
    etag = banked.get(f"{CAPS}/exploration").headers["etag"]
    first = banked.patch(
        CAPS, json={"reject_threshold": 3.0, "note": "glare on line 3"}, headers={"If-Match": etag}
    )
    assert first.status_code == 200
    late = banked.patch(CAPS, json={"reject_threshold": 4.0, "note": "late"}, headers={"If-Match": etag})
    problem(late, 412, "stale-revision")
    changes = banked.get(f"{CAPS}/threshold-changes").json()
    assert [(change["reject_threshold"], change["note"]) for change in changes] == [(3.0, "glare on line 3")]
    problem(banked.patch(CAPS, json={"reject_threshold": 5.0, "note": "x" * 4001}), 422, "invalid-request")


# Two versions compared


def compared(client: TestClient, **body: Any) -> list[dict[str, Any]]:
    response = client.post(f"{CAPS}/compare", json={"a": 1, "b": 2, **body})
    assert (response.status_code, response.headers["content-type"]) == (200, "application/jsonl"), (
        response.text
    )
    return [json.loads(line) for line in response.text.splitlines()]


def test_versions_are_compared_over_kept_images_as_inspections_by_each_would_score(
    two: TestClient, bad: bytes, good: bytes
) -> None:
    by_first = inspect(two, bad)
    inspect(two, good)
    pair = {each["inspection"]["id"]: each for each in compared(two)}[by_first["id"]]
    two.post(f"{CAPS}/versions/2/activate")
    by_second = inspect(two, bad)
    assert pair["inspection"]["id"] == by_first["id"]
    for side, answer in (("a", by_first), ("b", by_second)):
        assert pair[side]["score"] == pytest.approx(answer["score"], rel=1e-5)
        assert pair[side]["decision"] == answer["decision"]


def test_each_version_compared_decodes_large_jpeg_as_it_learnt_it(
    banked: TestClient, images: list[np.ndarray], backbone: Backbone
) -> None:
    config = replace(SMALL, input=replace(SMALL.input, reduced_jpeg=True))
    banked.post(f"{CAPS}/import", content=bank_bytes(build(images, config, backbone)))
    noise = np.random.default_rng(0).integers(0, 256, (512, 512, 3), dtype=np.uint8)
    by_first = inspect(banked, encode_jpeg(scratched(noise, 200, 200, 100)))
    pair = compared(banked)[0]
    banked.post(f"{CAPS}/versions/2/activate")
    by_second = inspect(banked, encode_jpeg(scratched(noise, 200, 200, 100)))
    assert pair["a"]["score"] == pytest.approx(by_first["score"], rel=1e-5)
    assert pair["b"]["score"] == pytest.approx(by_second["score"], rel=1e-5)
    assert by_first["score"] != pytest.approx(by_second["score"], rel=1e-5)


def test_reviewed_inspections_come_first_and_no_more_than_asked(two: TestClient) -> None:
    images = [encode_png(scratched(image, 20, 20)) for image in parts(4, seed=9)]
    answers = [inspect(two, image) for image in images]
    two.post(f"{answers[1]['links']['self']}/reviews", json={"verdict": "confirmed_defect"})
    pairs = compared(two, limit=3)
    assert [pair["inspection"]["id"] for pair in pairs] == [answers[i]["id"] for i in (1, 3, 2)]
    assert [(pair["done"], pair["total"]) for pair in pairs] == [(1, 3), (2, 3), (3, 3)]


def test_a_flip_is_named_where_the_versions_decide_differently(
    banked: TestClient, images: list[np.ndarray], bad: bytes, backbone: Backbone
) -> None:
    taught = bank_bytes(build([*images, scratched(parts(1, seed=8)[0], 30, 40)], SMALL, backbone))
    banked.post(f"{CAPS}/import", content=taught)
    assert inspect(banked, bad)["decision"] == "reject"
    (pair,) = compared(banked)
    assert (pair["a"]["decision"], pair["b"]["decision"], pair["flipped"]) == ("reject", "accept", True)


def test_an_image_that_a_version_has_learnt_is_marked(client: TestClient) -> None:
    """A false alarm that was taught is no proof of the version that learnt it."""
    images = [encode_png(image) for image in parts(12)]
    client.post("/v1/banks", json={"id": "caps"})
    files = [("file", (f"{i}.png", image)) for i, image in enumerate(images)]
    sent = client.post(f"{CAPS}/images", files=files).json()["files"]
    for some in (slice(0, 6), slice(0, 12)):
        bank = build(parts(12)[some], SMALL, service_of(client).inspecting.backbones.default)
        names = tuple(f"{file['sha256']}/{file['name']}" for file in sent[some])
        object.__setattr__(bank.provenance, "images", names)
        client.post(f"{CAPS}/import?activate=true", content=bank_bytes(bank))
    answers = {i: inspect(client, images[i])["id"] for i in (2, 9)}
    answers[None] = inspect(client, encode_png(parts(1, seed=50)[0]))["id"]
    learnt = {pair["inspection"]["id"]: pair["learnt"] for pair in compared(client)}
    assert learnt == {answers[2]: [1, 2], answers[9]: [2], answers[None]: []}


def test_a_nominal_images_map_is_that_of_a_version_without_its_part(client: TestClient) -> None:
    images = [*parts(11), scratched(parts(12)[11], 30, 40)]
    files = [("file", (f"{i}.png", encode_png(image))) for i, image in enumerate(images)]
    client.post("/v1/banks", json={"id": "caps"})
    sent = client.post(f"{CAPS}/images", files=files).json()["files"]
    backbone = service_of(client).inspecting.backbones.default
    bank = build(images, replace(SMALL, coreset_ratio=1.0), backbone)
    names = tuple(f"{file['sha256']}/{file['name']}" for file in sent)
    object.__setattr__(bank.provenance, "images", names)
    engine = Engine(backbone, bank)
    odd = Photograph(images[-1])
    known, held = engine.inspect([odd])[0], inspect_held_out(engine, engine.prepare(odd), sent[-1]["sha256"])
    alone = Engine(backbone, build(images[:-1], replace(SMALL, coreset_ratio=1.0), backbone)).inspect([odd])[
        0
    ]
    assert known.score < 0.01 * held.score
    assert held.score == pytest.approx(alone.score, rel=1e-4)
    np.testing.assert_allclose(held.heatmap, alone.heatmap, rtol=1e-3, atol=1e-4)
    with pytest.raises(PictureUnavailable, match="not learnt"):
        inspect_held_out(engine, odd, "0" * 64)


def test_an_image_that_is_gone_is_said_and_the_others_are_compared(two: TestClient) -> None:
    images = [encode_png(scratched(image, 20, 20)) for image in parts(2, seed=9)]
    gone, kept = (inspect(two, image) for image in images)
    service_of(two).store.blobs.files.delete(gone["image_sha256"])
    pairs = {pair["inspection"]["id"]: pair for pair in compared(two)}
    assert pairs[kept["id"]]["problem"] is None
    assert (pairs[gone["id"]]["a"], pairs[gone["id"]]["flipped"]) == (None, False)
    assert pairs[gone["id"]]["problem"]


def test_comparing_without_kept_images_compares_nothing(two: TestClient) -> None:
    assert compared(two) == []
    problem(two.post(f"{CAPS}/compare", json={"a": 1, "b": 9}), 404, "not-found")
    problem(two.post(f"{CAPS}/compare", json={"a": 1, "b": 2, "limit": 501}), 422, "invalid-request")


def test_a_comparison_makes_no_version_leave_the_memory(two: TestClient, bad: bytes) -> None:
    registry = service_of(two).inspecting.registry
    registry.drop("caps", 2)
    registry.budget_bytes = 1
    inspect(two, bad)
    before = [loaded.key for loaded in registry.loaded()]
    assert len(compared(two)) == 1
    assert [loaded.key for loaded in registry.loaded()] == before
    assert [(key.bank, key.number) for key in before] == [("caps", 1)]


def test_inspections_are_answered_beside_a_comparison(two: TestClient, good: bytes) -> None:
    for image in parts(6, seed=9):
        inspect(two, encode_png(scratched(image, 20, 20)))
    with ThreadPoolExecutor(2) as pool:
        comparison = pool.submit(compared, two)
        answers = [inspect(two, good) for _ in range(20)]
        found = len(comparison.result())
        assert 6 <= found <= 26  # of accepted parts those kept by the time it began, too
    assert {answer["score"] for answer in answers} == {answers[0]["score"]}


def test_one_comparison_runs_at_a_time_and_one_that_is_cancelled_makes_room(
    two: TestClient, bad: bytes
) -> None:
    service = service_of(two)
    for _ in range(2):
        inspect(two, bad)

    async def tour() -> int:
        pairs = (await comparing.prepare(service.inspecting, "caps", 1, 2, 10)).pairs()
        assert (await anext(pairs)).done == 1
        with pytest.raises(QueueFull, match="One comparison"):
            await comparing.prepare(service.inspecting, "caps", 1, 2, 10)
        await pairs.aclose()  # type: ignore[attr-defined]
        again = await comparing.prepare(service.inspecting, "caps", 1, 2, 10)
        return len([pair async for pair in again.pairs()])

    assert two.portal is not None
    assert two.portal.call(tour) == 2


def test_a_comparison_decodes_and_scores_in_the_background(
    two: TestClient, bad: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    inspecting, lanes = service_of(two).inspecting, list[Lane]()
    inspect(two, bad)
    run, call = inspecting.decoders.run, inspecting.batcher.call

    async def ran(function: Any, lane: Lane, large: bool) -> Any:
        lanes.append(lane)
        return await run(function, lane, large)

    async def called(function: Any, lane: Lane) -> Any:
        lanes.append(lane)
        return await call(function, lane)

    monkeypatch.setattr(inspecting.decoders, "run", ran)
    monkeypatch.setattr(inspecting.batcher, "call", called)
    assert two.post(f"{CAPS}/compare", json={"a": 1, "b": 2, "limit": 1}).status_code == 200
    assert [lane.rank for lane in lanes] == [BACKGROUND] * 3  # decoded once, scored by two
    assert inspecting.memory.used == 0


def test_a_version_that_cannot_follow_the_banks_rates_is_not_compared(
    banked: TestClient, backbone: Backbone
) -> None:
    banked.post(f"{CAPS}/import", content=bank_bytes(build(parts(6), SMALL, backbone)))
    banked.patch(CAPS, json={"target_false_reject": 0.05})
    problem(banked.post(f"{CAPS}/compare", json={"a": 1, "b": 2}), 422, "rate-unsupported")


# What waits for a person


def queued(client: TestClient, query: str = "") -> list[str]:
    """Ids of the queue, read two a page."""
    found, after = [], ""
    while True:
        page = client.get(f"/v1/reviews/queue?limit=2{query}{after}").json()
        found += [item["id"] for item in page["items"]]
        if page["next"] is None:
            return found
        after = f"&after={page['next']}"


def test_the_queue_has_rejected_parts_first_then_those_to_review_each_newest_first(
    banked: TestClient,
) -> None:
    rows = [row for row in reversed(recorded(banked, 40)) if row.verdict is None]
    order = {"reject": 0, "review": 1, "accept": 2}
    expected = [row.id for row in sorted(rows, key=lambda row: order[row.decision])]
    assert queued(banked) == expected
    assert queued(banked, "&bank=lids") == []
    rejected = [row.id for row in rows if row.decision == "reject"]
    assert queued(banked, "&decision=reject") == rejected
    problem(banked.get("/v1/reviews/queue?after=nonsense"), 422, "invalid-request")


def test_every_item_of_the_queue_knows_its_neighbours(banked: TestClient) -> None:
    recorded(banked, 25)
    service, store = service_of(banked), service_of(banked).store
    ids = queued(banked)
    found = [review_neighbours(service, store.inspections.get(id)) for id in ids]
    assert found == list(zip([None, *ids[:-1]], [*ids[1:], None], strict=True))


def review_neighbours(service: Any, row: Inspection) -> tuple[str | None, str | None]:
    before, after = review_queue.beside(service.inspecting, EVERY, row)
    return before.id if before else None, after.id if after else None


def test_agreement_counts_verdicts_against_decisions(banked: TestClient, good: bytes, bad: bytes) -> None:
    flagged = [inspect(banked, bad)["links"]["self"] for _ in range(4)]
    accepted = inspect(banked, good)["links"]["self"]
    for link, verdict in zip(flagged, ("confirmed_defect", "confirmed_defect", "false_alarm"), strict=False):
        banked.post(f"{link}/reviews", json={"verdict": verdict})
    banked.post(f"{accepted}/reviews", json={"verdict": "missed_defect"})
    told = banked.get("/v1/reviews/agreement?bank=caps").json()
    assert (told["confirmed"], told["false_alarms"], told["missed"]) == (2, 1, 1)
    assert told["waiting"] == {"accept": 0, "review": 0, "reject": 1}
    assert (told["agreed"]["count"], told["agreed"]["total"], told["agreed"]["rate"]) == (2, 4, 0.5)
    assert banked.get("/v1/reviews/agreement?bank=none").json()["agreed"]["rate"] is None


def test_a_withdrawn_verdict_leaves_none_and_the_part_waits_again(banked: TestClient, bad: bytes) -> None:
    answer = inspect(banked, bad)
    link = answer["links"]["self"]
    banked.post(f"{link}/reviews", json={"verdict": "false_alarm"})
    assert queued(banked) == []
    taken_back = banked.post(
        f"{link}/reviews", json={"verdict": "withdrawn"}, headers={"If-Match": '"1"'}
    ).json()
    assert (taken_back["revision"], taken_back["verdict"]) == (2, "withdrawn")
    assert banked.get(link).json()["verdict"] is None
    assert queued(banked) == [answer["id"]]
    problem(banked.post(f"{link}/teach"), 409, "not-a-false-alarm")


def test_undoing_goes_back_to_the_review_before(banked: TestClient, bad: bytes) -> None:
    service, id = service_of(banked), inspect(banked, bad)["id"]
    reviews = service.store.reviews
    reviews.add(id, "confirmed_defect", note="a scratch", if_match=0, actor="k1")
    reviews.add(id, "false_alarm", note="", if_match=1, actor="k1")
    undone = reviews.undo(id, if_match=2, actor="k1")
    assert (undone.revision, undone.verdict, undone.note) == (3, "confirmed_defect", "a scratch")
    second = inspect(banked, bad)["id"]
    reviews.add(second, "false_alarm", note="", if_match=0, actor="k1")
    assert reviews.undo(second, if_match=1, actor="k1").verdict == "withdrawn"
    assert service.store.inspections.get(second).verdict is None


def test_a_servers_settings_keep_every_image_for_comparing(
    serve: Callable[..., TestClient], settings: Settings, bank_file: bytes, good: bytes
) -> None:
    client = serve(settings.model_copy(update={"image_keep": "all"}))
    client.post("/v1/banks", json={"id": "caps"})
    for _ in range(2):
        client.post(f"{CAPS}/import?activate=true", content=bank_file)
    answer = inspect(client, good)
    (pair,) = compared(client)
    assert pair["a"] == pair["b"]
    assert pair["a"]["score"] == pytest.approx(answer["score"], rel=1e-5)
