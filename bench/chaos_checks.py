"""After a kill: does the server still have, whole, everything it ever acknowledged?"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx

from bench.chaos_work import BANK, SIDE, Memory, ask_build
from bench.line import part, upload, wait_for_job

STUCK_SECONDS = 180.0


def all_faults(url: str, memory: Memory) -> list[str]:
    """Every promise that does not hold, in words."""
    faults, memory.wrong = memory.wrong, []
    with httpx.Client(base_url=url, timeout=120) as client:
        for check in CHECKS:
            try:
                faults += check(client, memory)
            except (httpx.HTTPError, TimeoutError) as error:
                faults.append(f"{check.__name__}: {error!r}")
    return faults


def builds_are_asked_for_once(client: httpx.Client, memory: Memory) -> Iterator[str]:
    """The same Idempotency-Key gives the same job, also where the first answer was never heard."""
    for seed, known in [*memory.builds.items()]:
        answered = ask_build(client, seed)
        if known and known != answered:
            yield f"the key of the build {known} began the build {answered}"
        memory.builds[seed] = answered


def jobs_end(client: httpx.Client, memory: Memory) -> Iterator[str]:
    """Every build ends by itself; a failed one says why, a successful one has its version."""
    known = {job["id"] for job in pages(client, "/v1/jobs", "before")}
    yield from (f"the build {id} is lost" for id in set(memory.builds.values()) - known)
    for id in sorted(known - memory.checked):
        job = wait_for_job(client, id, STUCK_SECONDS)
        memory.checked.add(id)
        if job["state"] != "succeeded":
            memory.failed += 1
        if job["state"] == "failed" and not job["error"]:
            yield f"the build {id} failed without a reason"
        if job["state"] == "succeeded":
            memory.maybe_active.add(job["version"])


def nominal_set_is_whole(client: httpx.Client, memory: Memory) -> Iterator[str]:
    """Every accepted image is listed and no deleted one, and every listed one is there, byte for byte."""
    url = f"/v1/banks/{BANK}/images"
    listed = {image["sha256"] for image in pages(client, url, "after")}
    memory.deleted |= memory.leaving - listed
    memory.images |= dict.fromkeys(memory.leaving - memory.deleted)
    memory.leaving.clear()
    yield from (f"the image {sha256} is lost" for sha256 in memory.images.keys() - listed)
    yield from (f"the image {sha256} came back" for sha256 in memory.deleted & listed)
    for sha256 in listed - memory.checked:
        yield from differs(client, f"{url}/{sha256}", sha256)
    memory.checked |= listed
    memory.images |= dict.fromkeys(listed)


def ledger_is_whole(client: httpx.Client, memory: Memory) -> Iterator[str]:
    """Every acknowledged inspection is in the ledger with its image; none is there that cannot be read."""
    lines = (
        client.get("/v1/inspections/export", params={"format": "jsonl"}).raise_for_status().text.splitlines()
    )
    rows = {row["id"]: row for row in map(json.loads, lines)}
    yield from (f"the inspection {id} is lost" for id in memory.inspections.keys() - rows.keys())
    for id in rows.keys() - memory.checked:
        sha256 = rows[id]["image_sha256"]
        if memory.inspections.setdefault(id, sha256) != sha256:
            yield f"the inspection {id} has another image"
        yield from differs(client, f"/v1/inspections/{id}/image", sha256)
    memory.checked |= rows.keys()


def reviews_are_whole(client: httpx.Client, memory: Memory) -> Iterator[str]:
    """Every acknowledged review is there, each revision once and in its order."""
    for id, latest in memory.reviews.items():
        if f"{id} {latest}" in memory.checked:
            continue
        said = client.get(f"/v1/inspections/{id}/reviews").raise_for_status().json()["items"]
        revisions = [review["revision"] for review in said]
        if len(revisions) < latest or revisions != [*range(1, len(revisions) + 1)]:
            yield f"review {latest} of the inspection {id} was acknowledged; it has {revisions}"
        memory.reviews[id] = len(revisions)
        memory.checked.add(f"{id} {len(revisions)}")


def versions_are_whole(client: httpx.Client, memory: Memory) -> Iterator[str]:
    """Every version's bank file has the digest it is listed with."""
    for version in client.get(f"/v1/banks/{BANK}/versions").raise_for_status().json()["items"]:
        if version["state"] != "ok":
            yield f"version {version['number']} is in quarantine: {version['reason']}"
        if version["sha256"] not in memory.checked:
            yield from differs(
                client, f"/v1/banks/{BANK}/versions/{version['number']}/bundle", version["sha256"]
            )
            memory.checked.add(version["sha256"])


def pointer_is_right(client: httpx.Client, memory: Memory) -> Iterator[str]:
    """The active version is the last acknowledged, or one whose answer was never heard; never one that is not there."""
    active = client.get(f"/v1/banks/{BANK}").raise_for_status().json()["active_version"]
    possible = {memory.active} | memory.maybe_active
    if active not in possible:
        yield f"version {active} is active; {sorted(possible)} could be"
    if client.get(f"/v1/banks/{BANK}/versions/{active}").status_code != 200:
        yield f"version {active} is active and not there"
    memory.active, memory.maybe_active = active, set()


def it_works_on(client: httpx.Client, memory: Memory) -> Iterator[str]:
    """It takes in a new image and inspects one, with the version it says is active."""
    said = upload(client, BANK, [part(memory.seed(), SIDE)])
    if said["accepted"] != 1:
        yield f"a new image was not accepted: {said}"
    image = part(memory.seed(), SIDE)
    answer = client.post(f"/v1/banks/{BANK}/inspect", content=image, headers={"Content-Type": "image/png"})
    if answer.status_code != 200 or answer.json()["version"] != memory.active:
        yield f"an inspection answered {answer.status_code}: {answer.text[:300]}"


CHECKS: tuple[Callable[[httpx.Client, Memory], Iterator[str]], ...] = (
    builds_are_asked_for_once,
    jobs_end,
    nominal_set_is_whole,
    ledger_is_whole,
    reviews_are_whole,
    versions_are_whole,
    pointer_is_right,
    it_works_on,
)


def pages(client: httpx.Client, url: str, cursor: str) -> Iterator[dict[str, Any]]:
    """Every item of a list."""
    after: dict[str, str] = {}
    while True:
        page = client.get(url, params={"limit": 1000, **after}).raise_for_status().json()
        yield from page["items"]
        if page["next"] is None:
            return
        after = {cursor: page["next"]}


def differs(client: httpx.Client, url: str, sha256: str) -> Iterator[str]:
    """Whether what is served there has another digest."""
    answer = client.get(url)
    if answer.status_code != 200:
        yield f"{url} answers {answer.status_code}: {answer.text[:200]}"
    elif hashlib.sha256(answer.content).hexdigest() != sha256:
        yield f"{url} is not what was sent"
