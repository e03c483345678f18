"""A real Ray cluster on loopback: the plain build's bytes though a process is killed; bad addresses refused by name."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from parts import SMALL, parts

from app.cluster.actors import Actors
from app.cluster.connect import connected
from app.errors import ClusterGone, ClusterRefused
from app.imaging.decode import DEFAULT_LIMITS, decode_photograph
from app.imaging.pictures import encode_png
from app.learning.learn import Hooks, learn
from app.learning.sharded.host import Recipe
from app.learning.sharded.hosts import cluster_hosts
from app.learning.sharded.learn import learn_sharded
from app.settings import SettingsError, load_settings
from bench.cluster import cluster
from core.bank import bank_bytes
from models.backbone import load_backbone

pytestmark = [
    pytest.mark.skipif(
        find_spec("ray") is None, reason="Ray is not installed"
    ),  # it reads the token once imported
    pytest.mark.filterwarnings("ignore"),  # Ray's own
]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    before = dict(os.environ)
    with cluster(2) as found:
        yield found
    os.environ.clear()
    os.environ.update(before)


def test_a_cluster_without_tokens_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    with pytest.raises(ClusterRefused, match="RAY_AUTH_MODE=token"):
        connected("127.0.0.1:1")
    with pytest.raises(SettingsError, match="RAY_AUTH_MODE=token"):
        load_settings({}, cluster="127.0.0.1:1")
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    assert load_settings({}, cluster="127.0.0.1:1").cluster == "127.0.0.1:1"


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nowhere", "127.0.0.1:99999"])
def test_a_cluster_that_does_not_answer_is_a_named_error(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    with pytest.raises(ClusterGone, match="unset NOMINAL_CLUSTER"):
        connected(address)


def test_a_cluster_gives_the_bytes_of_the_plain_build_though_a_process_is_killed(
    address: str, tmp_path: Path
) -> None:
    backbone = load_backbone("efficientnet-lite2", threads=1)
    opened = partial(
        load_backbone, "efficientnet-lite2", None, False, backbone.runtime, 1, backbone.precision
    )
    files = [(f"{i:03d}.png", partial(bytes, encode_png(image))) for i, image in enumerate(parts(12))]
    named = [
        (name, lambda read=read: decode_photograph(read(), SMALL.input, DEFAULT_LIMITS))
        for name, read in files
    ]
    plain = learn(named, backbone, SMALL)
    made: list[Actors] = []
    killed = threading.Event()

    def start(recipe: Recipe) -> Any:
        vars(recipe)["directory"] = tmp_path
        made.append(cluster_hosts(address, recipe, 2))
        return made[0]

    def progress(stage: str, done: int, total: int) -> None:
        if stage == "index" and not killed.is_set():
            killed.set()
            os.kill(made[0].processes()[1][0], signal.SIGKILL)

    found = learn_sharded(files, backbone, opened, SMALL, start, DEFAULT_LIMITS, Hooks(progress), size=4)
    assert killed.is_set()
    assert bank_bytes(found.bank) == bank_bytes(plain.bank)
