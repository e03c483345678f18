"""What does a cluster cost, and what does it save? One build plainly, and by one and two workers of a Ray cluster.

The cluster is started here, on loopback, with a token. The banks must have the same bytes. CPU seconds are those of all
processes of the build; a worker's start, once a build, is among them. Wall times count on a quiet machine.
"""

from __future__ import annotations

import argparse
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import psutil
import torch

from app.cluster.actors import Actors
from app.imaging.decode import DEFAULT_LIMITS
from app.learning.learn import Hooks, image_files, learn
from app.learning.sharded.host import Recipe
from app.learning.sharded.hosts import cluster_hosts
from app.learning.sharded.learn import learn_sharded
from bench.build import RATE, SIZE, write_images
from bench.tables import machine, table
from core.bank import bank_bytes
from core.config import DetectorConfig, InputConfig
from core.groups import by_photograph
from models.backbone import load_backbone

START_SECONDS = 60


@contextmanager
def cluster(cores: int) -> Iterator[str]:
    """The address of a cluster of this machine, which asks for a token that this process has."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    os.environ |= {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_USAGE_STATS_ENABLED": "0",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "OMP_NUM_THREADS": "1",
    }
    words = [str(Path(sys.executable).parent / "ray"), "start", "--head", "--block", f"--port={port}"]
    words += [f"--num-cpus={cores}", "--node-ip-address=127.0.0.1", "--include-dashboard=false"]
    words += ["--object-store-memory=200000000", "--disable-usage-stats"]
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(words, stdout=said, stderr=said, start_new_session=True)
        try:
            _wait(process, port)
            yield f"127.0.0.1:{port}"
        finally:
            _disconnect()
            _end(process.pid)
            process.wait()


def main() -> None:
    """Print the table; exits with 1 where a bank has other bytes."""
    words = argparse.ArgumentParser(prog="python -m bench.cluster", description=__doc__)
    words.add_argument("--images", type=int, default=760)
    words.add_argument("--size", type=int, default=SIZE, help="pixels a side")
    words.add_argument("--toy", action="store_true", help="a few small images, to see that it works")
    options = words.parse_args()
    if options.toy:
        options.images, options.size = 24, 64
    torch.set_num_threads(1)
    config = DetectorConfig(input=InputConfig(size=options.size), target_false_reject=RATE)
    print(f"{machine()}; {options.images} images of {options.size} pixels, load {os.getloadavg()[0]:.1f}\n")
    with tempfile.TemporaryDirectory(prefix="nominal-cluster-") as folder:
        write_images(Path(folder), options.images)
        rows, alike = _measured(sorted(Path(folder).glob("*.png")), config)
    print(table(["way", "CPU s", "against plain", "wall s", "same bytes"], rows))
    raise SystemExit(0 if alike else 1)


def _measured(paths: list[Path], config: DetectorConfig) -> tuple[list[list[str]], bool]:
    backbone = load_backbone("efficientnet-lite2", threads=1)
    names, groups = [path.name for path in paths], by_photograph(len(paths))
    opened = partial(
        load_backbone, "efficientnet-lite2", None, False, backbone.runtime, 1, backbone.precision
    )
    images = image_files(paths, names, config.input)
    few = slice(None, 8)
    learn(images[few], backbone, config, Hooks(any_rate=True), groups=by_photograph(8))  # warm
    cpu, wall = time.process_time(), time.perf_counter()
    plain = bank_bytes(learn(images, backbone, config, groups=groups).bank)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    rows, alike = [["plain", f"{cpu:.1f}", "1.00", f"{wall:.1f}", "-"]], True
    files = [(path.name, path.read_bytes) for path in paths]
    with cluster(2) as address, tempfile.TemporaryDirectory(prefix="nominal-shards-") as folder:
        for workers in (1, 2):
            hosts = _Noted(address, Path(folder), workers)
            began, started = time.process_time(), time.perf_counter()
            found = learn_sharded(files, backbone, opened, config, hosts, DEFAULT_LIMITS, groups=groups)
            took = time.perf_counter() - started
            used = time.process_time() - began + hosts.seconds
            same = bank_bytes(found.bank) == plain
            alike &= same
            way = f"{workers} worker{'s' * (workers > 1)}"
            rows.append([way, f"{used:.1f}", f"{used / cpu:.2f}", f"{took:.1f}", "yes" if same else "NO"])
    return rows, alike


class _Noted:
    """Starts workers, and notes their CPU seconds before they end."""

    def __init__(self, address: str, folder: Path, count: int) -> None:
        self._address, self._folder, self._count = address, folder, count
        self.seconds = 0.0

    def __call__(self, recipe: Recipe) -> Actors:
        actors = cluster_hosts(self._address, replace(recipe, directory=self._folder), self._count)
        close = actors.close

        def noted() -> None:
            self.seconds = sum(seconds for _, seconds in actors.processes())
            close()

        actors.close = noted  # type: ignore[method-assign]
        return actors


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                time.sleep(2)  # its raylet joins
                return
        time.sleep(0.2)
    raise SystemExit("the cluster did not start")


def _end(pid: int) -> None:
    """A process and all that it started."""
    every = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    for one in every:
        with suppress(psutil.Error):
            one.terminate()
    for one in psutil.wait_procs(every, 5)[1]:
        with suppress(psutil.Error):
            one.kill()


def _disconnect() -> None:
    if "ray" in sys.modules:
        sys.modules["ray"].shutdown()


if __name__ == "__main__":
    main()
