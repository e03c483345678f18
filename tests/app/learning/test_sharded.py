"""Builds that hosts share: the bytes of the plain build for any number of hosts and shards, whatever is lost."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import random_backbone
from parts import SMALL, parts

from app.errors import ClusterGone, HostLost, ImageCorrupt
from app.imaging.decode import DEFAULT_LIMITS, decode_photograph
from app.imaging.pictures import encode_png
from app.learning.learn import BuiltBank, Hooks, learn
from app.learning.sharded.host import Recipe
from app.learning.sharded.hosts import ThreadHosts
from app.learning.sharded.learn import learn_sharded
from core.bank import bank_bytes
from core.config import AugmentConfig, DetectorConfig
from core.errors import Cancelled, TooFewImages
from core.groups import by_parts
from core.input.mask import mask_text

BACKBONE = random_backbone()
CONFIGS = {
    "plain": SMALL,
    "reweighted": replace(SMALL, reweight=True),
    "masked": replace(
        SMALL, input=replace(SMALL.input, mask=mask_text(np.arange(64 * 64).reshape(64, 64) % 64 < 40))
    ),
    "components and places": replace(SMALL, pca=9, position=0.5),
    "copies": replace(SMALL, augment=AugmentConfig(flips=True, light=0.1)),
    "hnsw": replace(SMALL, index=replace(SMALL.index, kind="hnsw")),
}


class Mortal(ThreadHosts):
    """Ends before or after its ``dying``-th calls, as a killed process does; what it knew is gone."""

    def __init__(self, recipe: Recipe, count: int, dying: Sequence[int] = ()) -> None:
        super().__init__(recipe, count)
        self.asked = self.replaced = 0
        self._dying = {*dying}
        self._gone: set[int] = set()

    def submit(self, host: int, method: str, *args: Any) -> Future[Any]:
        self.asked += 1
        if self.asked in self._dying:
            self._gone.add(host)
        if host in self._gone:
            lost: Future[Any] = Future()
            lost.set_exception(HostLost("a host must live", "one that ended", "start another"))
            return lost
        return super().submit(host, method, *args)

    def replace(self, host: int) -> None:
        self.replaced += 1
        self._gone.discard(host)
        super().replace(host)


def files(count: int = 14) -> list[tuple[str, Any]]:
    return [(f"{i:03d}.png", partial(bytes, encode_png(image))) for i, image in enumerate(parts(count))]


def plainly(config: DetectorConfig, **more: Any) -> BuiltBank:
    named = [
        (name, lambda read=read: decode_photograph(read(), config.input, DEFAULT_LIMITS))
        for name, read in files()
    ]
    return learn(named, BACKBONE, config, **more)


def sharded(
    config: DetectorConfig, folder: Path, hosts: int, size: int, dying: Sequence[int] = (), **more: Any
) -> tuple[BuiltBank, Mortal]:
    made: list[Mortal] = []

    def start(recipe: Recipe) -> Mortal:
        made.append(Mortal(replace(recipe, directory=folder), hosts, dying))
        return made[0]

    images = more.pop("images", None) or files()
    found = learn_sharded(
        images, BACKBONE, lambda: BACKBONE, config, start, DEFAULT_LIMITS, size=size, **more
    )
    return found, made[0]


@pytest.mark.parametrize("name", CONFIGS)
def test_hosts_give_the_bytes_of_the_plain_build(name: str, tmp_path: Path) -> None:
    expected = plainly(CONFIGS[name])
    for hosts, size in ((1, 64), (2, 4), (3, 5)):
        found, _ = sharded(CONFIGS[name], tmp_path, hosts, size)
        assert bank_bytes(found.bank) == bank_bytes(expected.bank)
        assert found.notices == expected.notices
        assert not [*tmp_path.iterdir()]  # a build that has ended leaves no shard


def test_given_groups_are_kept(tmp_path: Path) -> None:
    groups = by_parts([str(i // 2) for i in range(14)])
    found, _ = sharded(SMALL, tmp_path, 2, 4, groups=groups)
    assert bank_bytes(found.bank) == bank_bytes(plainly(SMALL, groups=groups).bank)


def test_a_host_lost_at_any_call_costs_one_shard_and_changes_no_byte(tmp_path: Path) -> None:
    expected = bank_bytes(plainly(SMALL).bank)
    _, whole = sharded(SMALL, tmp_path, 2, 4)
    for dying in range(1, whole.asked, 5):
        found, hosts = sharded(SMALL, tmp_path, 2, 4, [dying])
        assert hosts.replaced == 1
        assert bank_bytes(found.bank) == expected


def test_a_build_taken_over_extracts_no_whole_shard_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = 0

    def stop() -> bool:
        return len([*tmp_path.glob("*.shard")]) >= 2

    with pytest.raises(Cancelled):
        sharded(SMALL, tmp_path, 1, 4, hooks=Hooks(cancelled=stop))
    kept = len([*tmp_path.glob("*.shard")])
    assert kept >= 2

    def counted(batch: Any) -> Any:
        nonlocal seen
        seen += len(batch)
        return BACKBONE(batch)

    monkeypatch.setattr("app.learning.sharded.host.Host._loaded", lambda self: counted)
    found, _ = sharded(SMALL, tmp_path, 2, 4)
    assert seen <= 14 - 4 * kept
    assert bank_bytes(found.bank) == bank_bytes(plainly(SMALL).bank)


def test_a_damaged_shard_is_extracted_again(tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        sharded(SMALL, tmp_path, 1, 4, hooks=Hooks(cancelled=lambda: bool([*tmp_path.glob("*.shard")])))
    for path in tmp_path.glob("*.vectors"):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    found, _ = sharded(SMALL, tmp_path, 2, 4)
    assert bank_bytes(found.bank) == bank_bytes(plainly(SMALL).bank)


def test_hosts_that_end_again_and_again_end_the_build(tmp_path: Path) -> None:
    with pytest.raises(ClusterGone, match="goes on from whole shards"):
        sharded(SMALL, tmp_path, 2, 4, range(20, 1000))


def test_an_image_that_cannot_be_read_ends_the_build(tmp_path: Path) -> None:
    images = files()
    images[6] = ("006.png", lambda: encode_png(parts(1)[0])[:200])
    with pytest.raises(ImageCorrupt):
        sharded(SMALL, tmp_path, 2, 4, images=images)


def test_too_few_images_are_refused_before_any_host_starts(tmp_path: Path) -> None:
    with pytest.raises(TooFewImages):
        sharded(SMALL, tmp_path, 2, 4, images=files(1))
