"""Writes to a store as fast as it can and prints each write once it is acknowledged, until it is killed."""

from __future__ import annotations

import itertools
import os
import sys
import threading

from store_backends import inspection

from app.settings import Settings
from app.store.errors import StoreError
from app.store.images import NewImage
from app.store.store import Store

LOCK = threading.Lock()


def acknowledge(*words: object) -> None:
    with LOCK:
        os.write(1, (" ".join(map(str, words)) + "\n").encode())


def upload(store: Store, index: int) -> None:
    data = os.urandom(2000)
    kept = store.blobs.put([data[:1000], data[1000:]], limit=2000, media_type="image/jpeg")
    store.images.add("screws", [NewImage(kept.sha256, f"{index}.jpg", 2000, 1, 1)], actor="cli")
    acknowledge("image", kept.sha256)


def inspect(store: Store, index: int) -> None:
    kept = store.blobs.put([os.urandom(100)], limit=100, media_type="image/jpeg")
    batch = [inspection(serial=str(index), image_sha256=kept.sha256), inspection(serial=str(index))]
    store.inspections.add(batch)
    for each in batch:
        acknowledge("inspection", each.id)


def build(store: Store, index: int) -> None:
    store.jobs.create("screws", request={}, actor="cli")
    claimed = store.leases.claim("w1")
    assert claimed is not None
    kept = store.blobs.put([os.urandom(500)], limit=500, media_type="application/octet-stream")
    version = store.leases.succeed(claimed[1], sha256=kept.sha256, size=500, summary={})
    acknowledge("active", version.number)


def main() -> None:
    store = Store(Settings.model_validate_json(sys.stdin.readline()))

    def repeat(work: object) -> None:
        for index in itertools.count():
            try:
                work(store, index)  # type: ignore[operator]
            except StoreError as error:
                acknowledge("error", type(error).__name__)

    for work in (upload, upload, inspect, build):
        threading.Thread(target=repeat, args=(work,), daemon=True).start()
    threading.Event().wait()


if __name__ == "__main__":
    main()
