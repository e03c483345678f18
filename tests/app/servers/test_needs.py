"""A build is done with the backbone of the server that was asked, by whoever has it, and says where nobody has."""

from __future__ import annotations

from collections.abc import Callable

from parts import parts
from service_kit import service_of, wait_until
from starlette.testclient import TestClient

from app.imaging.pictures import encode_png
from app.inspection.backbones import Backbones
from app.learning.worker import Worker
from app.lifecycle.upkeep import beat
from app.settings import Settings
from app.store.servers import Means
from app.store.store import open_store
from models.backbone import Backbone

CAPS = "/v1/banks/caps"


def test_a_worker_without_the_weights_leaves_a_build_to_another_and_nobody_is_named(
    serve: Callable[..., TestClient], settings: Settings, backbone: Backbone, stranger: Backbone
) -> None:
    asked, other = serve(settings), serve(settings, backbone=stranger)
    asked.post("/v1/banks", json={"id": "caps"})
    files = [("file", (f"{i}.png", encode_png(image))) for i, image in enumerate(parts(6))]
    asked.post(f"{CAPS}/images", files=files)
    config = {"input": {"size": 64}, "coreset_ratio": 0.2, "target_false_reject": 0.4}
    job = asked.post(f"{CAPS}/builds", json={"config": config}).json()
    assert job["request"]["backbone"] == "tiny"

    with open_store(settings) as store:
        with_other = Worker(settings, store, "other", lambda: Backbones(settings, stranger))
        assert not with_other.work_once()
        store.servers.beat("far", "1", Means("tiny", stranger.digest, "float32", works=True), {})
        portal = asked.portal
        assert portal is not None
        portal.call(beat, service_of(asked))
        waiting = other.get(f"/v1/jobs/{job['id']}").json()
        assert waiting["state"] == "queued"
        assert f"tiny (weights {backbone.digest[:12]}, float32)" in waiting["waits_for"]

        assert Worker(settings, store, "its", lambda: Backbones(settings, backbone)).work_once()
        done = other.get(f"/v1/jobs/{job['id']}").json()
        assert (done["state"], done["waits_for"]) == ("succeeded", None)
        assert other.get(f"{CAPS}/versions/1").json()["summary"]["weights"] == backbone.digest


def test_what_a_job_waits_for_is_taken_back_once_a_server_with_it_lives(settings: Settings) -> None:
    with open_store(settings) as store:
        store.banks.create("caps", title="Caps", config={}, actor="cli")
        job = store.jobs.create("caps", request={"backbone": "big"}, actor="cli", needs=("1" * 64, "float32"))
        assert store.servers.name_what_is_missing() == []  # no worker is known, and so none is missed
        store.servers.beat("small", "1", Means("small", "0" * 64, "float32", works=True), {})
        assert [each.id for each in store.servers.name_what_is_missing()] == [job.id]
        assert store.servers.name_what_is_missing() == []  # said once
        assert "big (weights 111111111111, float32)" in str(store.jobs.get(job.id).waits_for)
        for works in (False, True):
            store.servers.beat("big", "1", Means("big", "1" * 64, "float32", works=works), {})
            store.servers.name_what_is_missing()
            assert (store.jobs.get(job.id).waits_for is None) is works
        assert [server.id for server in store.servers.live()] == ["big", "small"]
        wait_until(lambda: store.servers.live() == [], seconds=10)  # both are silent
