"""What a line does to a server until it dies, and a memory of all that was acknowledged."""

from __future__ import annotations

import hashlib
import itertools
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from bench.line import built_bank, part, upload

BANK = "line"
SIDE = 96
CONFIG = {"input": {"size": 96}, "coreset_ratio": 0.5, "target_false_reject": 0.1, "target_review": 0.1}
FIRST_IMAGES = 60  # enough that a build takes seconds
MOST_IMAGES = 120  # beyond which the oldest are deleted, so that a build stays one of seconds
EXPECTED = (409, 503)


@dataclass
class Memory:
    """Every acknowledgement; and for what was asked and never answered, what it may have become."""

    images: dict[str, None] = field(default_factory=dict)
    """sha256 of those accepted, oldest first."""
    leaving: set[str] = field(default_factory=set)
    """sha256 of those whose deletion was asked for and not heard of."""
    deleted: set[str] = field(default_factory=set)
    inspections: dict[str, str] = field(default_factory=dict)
    """id -> sha256 of its image."""
    reviews: dict[str, int] = field(default_factory=dict)
    """id of an inspection -> the latest acknowledged revision of its review."""
    builds: dict[int, str] = field(default_factory=dict)
    """seed, which names the Idempotency-Key -> the job's id, empty while none was heard."""
    active: int = 0
    maybe_active: set[int] = field(default_factory=set)
    checked: set[str] = field(default_factory=set)
    """Ids and digests found whole before."""
    wrong: list[str] = field(default_factory=list)
    """Answers that no healthy server gives."""
    failed: int = 0
    _seeds: Iterator[int] = field(default_factory=lambda: itertools.count(1000))

    def seed(self) -> int:
        """Never the same twice."""
        return next(self._seeds)

    def told(self) -> str:
        """In a few words."""
        return (
            f"{len(self.images)} images, {len(self.inspections)} inspections, {sum(self.reviews.values())} reviews, "
            f"{len(self.builds)} builds "
            f"({self.failed} without success)"
        )


Work = Callable[[str, Memory, threading.Event], None]


def prepare(url: str, memory: Memory, count: int) -> None:
    """A bank with a version to inspect with."""
    with httpx.Client(base_url=url, timeout=120) as client:
        images = [part(i, SIDE) for i in range(count)]
        memory.images |= dict.fromkeys(hashlib.sha256(data).hexdigest() for data in images)
        memory.active = built_bank(client, BANK, images, CONFIG)


def uploads(url: str, memory: Memory, ending: threading.Event) -> None:
    """Some images a request, again and again; where there are many, as many are deleted."""

    def once(client: httpx.Client) -> None:
        images = [part(memory.seed(), SIDE) for _ in range(4)]
        said = upload(client, BANK, images)
        memory.images |= dict.fromkeys(
            file["sha256"] for file in said["files"] if file["status"] == "accepted"
        )
        for sha256 in [*memory.images][: max(0, len(memory.images) - MOST_IMAGES)]:
            memory.leaving.add(sha256)
            del memory.images[sha256]
            client.delete(f"/v1/banks/{BANK}/images/{sha256}").raise_for_status()
            memory.deleted.add(sha256)

    until_gone(url, memory, ending, once)


def inspections(url: str, memory: Memory, ending: threading.Event) -> None:
    """One image after another."""

    def once(client: httpx.Client) -> None:
        seed = memory.seed()
        image = part(seed, SIDE, flaw=seed % 2 == 1)
        answer = client.post(
            f"/v1/banks/{BANK}/inspect", content=image, headers={"Content-Type": "image/png"}
        )
        memory.inspections[answer.raise_for_status().json()["id"]] = hashlib.sha256(image).hexdigest()

    until_gone(url, memory, ending, once)


def reviews(url: str, memory: Memory, ending: threading.Event) -> None:
    """One acknowledged inspection after another is found to be a defect, the newest first."""

    def once(client: httpx.Client) -> None:
        for id in [*memory.inspections][:-20:-1]:
            body = {"verdict": "confirmed_defect"}
            answer = client.post(f"/v1/inspections/{id}/reviews", json=body).raise_for_status().json()
            memory.reviews[id] = answer["revision"]
            if ending.wait(0.02):
                return

    until_gone(url, memory, ending, once)


def builds(url: str, memory: Memory, ending: threading.Event) -> None:
    """A build, watched."""
    seed = memory.seed()
    memory.builds[seed] = ""

    def once(client: httpx.Client) -> None:
        memory.builds[seed] = ask_build(client, seed)
        while not ending.wait(0.1):
            client.get(f"/v1/jobs/{memory.builds[seed]}").raise_for_status()

    until_gone(url, memory, ending, once)


def ask_build(client: httpx.Client, seed: int) -> str:
    """The job's id; asked again, the same one, since the seed names the Idempotency-Key."""
    body, headers = {"config": {"seed": seed}, "groups": "none"}, {"Idempotency-Key": f"build-{seed}"}
    return str(
        client.post(f"/v1/banks/{BANK}/builds", json=body, headers=headers).raise_for_status().json()["id"]
    )


def activations(url: str, memory: Memory, ending: threading.Event) -> None:
    """One version after another becomes the active one."""

    def once(client: httpx.Client) -> None:
        for number in versions_of(client):
            memory.maybe_active.add(number)
            client.post(f"/v1/banks/{BANK}/versions/{number}/activate").raise_for_status()
            memory.active, memory.maybe_active = number, set()

    until_gone(url, memory, ending, once)


def versions_of(client: httpx.Client) -> list[int]:
    """Numbers, newest first."""
    items: list[dict[str, Any]] = client.get(f"/v1/banks/{BANK}/versions").raise_for_status().json()["items"]
    return [item["number"] for item in items if item["state"] == "ok"]


def until_gone(
    url: str, memory: Memory, ending: threading.Event, once: Callable[[httpx.Client], None]
) -> None:
    """Again and again until the connection breaks; an answer that no healthy server gives is remembered as wrong."""
    try:
        with httpx.Client(base_url=url, timeout=120) as client:
            while not ending.is_set():
                once(client)
    except httpx.HTTPStatusError as error:
        if error.response.status_code not in EXPECTED:
            said = f"{error.response.status_code}: {error.response.text[:300]}"
            memory.wrong.append(f"{error.request.url} answered {said}")
    except httpx.TransportError:
        return


WORK: dict[str, Work] = {
    "upload": uploads,
    "build": builds,
    "activation": activations,
    "inspection": inspections,
    "review": reviews,
}
