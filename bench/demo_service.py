"""A tour of the service on real images: solar cells, over HTTP, from an empty server to its last signal.

``python -m bench.demo_service`` starts a server on a free loopback port, makes a bank, uploads 60 % of the flawless
monocrystalline cells of the PyPI package elpv-dataset, watches the build, posts all the other cells and the defective
ones, prints a table of scores, saves overlays under build/demo-service, asks for health and stops the server. It ends
with status 0 only if each of these went well. ``--toy`` does the same with a few small images.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.table import Table

from app.cli.console import cell, counting, notice, plain, say, stdout, transferring
from app.cli.remote.banks import watch
from app.cli.remote.inspections import row_of
from app.errors import AppError
from app.imaging.datasets import MvtecDataset, TestImage
from bench.datasets import spread, write_elpv
from bench.server import Server, serve
from core.files import write_atomically
from core.metrics.evaluation import auroc
from nominal_client import Client, ClientError
from nominal_client.answers.inspections import Inspection

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "build" / "demo-service"
BANK = "solar-cells"
SHOWN = 9  # inspections of each kind in the table and among the overlays


@dataclass(frozen=True)
class Choice:
    """What is taught, what is inspected, and the bank's config."""

    train: Sequence[Path]
    tests: Sequence[TestImage]
    config: dict[str, object]


@dataclass(frozen=True)
class Posted:
    """An unseen cell and the server's answer."""

    test: TestImage
    found: Inspection
    seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--toy", action="store_true", help="few images, small")
    parser.add_argument("--backbone", default="efficientnet-lite2", help="of `nominal weights list`, or auto")
    parser.add_argument("--out", type=Path, default=OUT, help="folder for overlays and the ledger")
    arguments = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory(prefix="nominal-demo-", ignore_cleanup_errors=True) as folder:
            tour(choose(arguments.toy), arguments.out, Path(folder), arguments.backbone)
    except (AppError, ClientError) as error:
        notice(f"{type(error).__name__}: {error}")
        sys.exit(1)


def choose(toy: bool) -> Choice:
    """All cells of the set, or a few."""
    dataset = MvtecDataset(write_elpv(ROOT / "build" / "datasets" / "elpv-mono"))
    train, tests = dataset.train_images(), dataset.test_images()
    if toy:
        few = [*tests[:4], *tests[-4:]]
        return Choice(train[:30], few, {"input": {"size": 64}, "target_false_reject": 0.05})
    return Choice(train, tests, {})


def tour(choice: Choice, out: Path, data_dir: Path, backbone: str) -> None:
    """Everything, in order."""
    with serve(data_dir, backbone=backbone, image_keep="all") as server, Client(server.url) as client:
        client.wait_until_ready(120)
        say(f"Server at {server.url}, process {server.process.pid}")
        teach(client, choice)
        posted = post(client, choice.tests)
        stdout.print(table(shown := chosen(posted)))
        save(client, shown, out)
        report(client, posted)
        leave(server, client)
    say(f"Overlays and ledger: {out}")


def teach(client: Client, choice: Choice) -> None:
    """From no bank to an active version."""
    client.create_bank(BANK, "Solar cells", config=choice.config)
    started = time.perf_counter()
    with transferring("Sending") as progress:
        uploaded = client.upload_images(BANK, choice.train, progress=progress)
    say(f"{uploaded.accepted} nominal cells uploaded in {time.perf_counter() - started:.1f} s")
    started = time.perf_counter()
    job = watch(client, client.start_build(BANK, groups="none"))
    say(f"Version {job.version} built in {time.perf_counter() - started:.0f} s and active")
    say(client.get_version(BANK, job.version or 0).summary["promise"])


def post(client: Client, tests: Sequence[TestImage]) -> list[Posted]:
    """Each unseen cell inspected, its name as the serial number."""
    posted = []
    with counting("Posting unseen cells", len(tests)) as done:
        for test in tests:
            started = time.perf_counter()
            found = client.inspect(BANK, test.path, serial=test.path.stem, station="demo")
            posted.append(Posted(test, found, time.perf_counter() - started))
            done()
    return posted


def chosen(posted: Sequence[Posted]) -> list[Posted]:
    """Of the nominal and of the defective cells some each, from the least to the most anomalous."""
    kinds = ([p for p in posted if p.test.defective is defective] for defective in (False, True))
    return [p for kind in kinds for p in spread(sorted(kind, key=lambda p: p.found.score), SHOWN)]


def table(shown: Sequence[Posted]) -> Table:
    """Scores and decisions, beside the truth."""
    head = "cell", "in truth", "score", "threshold", "decision", "regions", "ms"
    made = Table(*head, box=None)
    for p in shown:
        truth = "defective" if p.test.defective else "nominal"
        made.add_row(
            plain(p.test.path.name), truth, *map(cell, row_of(p.found)[:4]), f"{p.seconds * 1e3:.0f}"
        )
    return made


def save(client: Client, shown: Sequence[Posted], out: Path) -> None:
    """The maps over the images shown, drawn again by the server from its ledger; and the ledger itself."""
    for p in shown:
        write_atomically(out / f"{p.test.path.stem}_overlay.png", client.get_overlay(p.found.id))
    client.export_inspections(out / "inspections.csv", bank=BANK)


def report(client: Client, posted: Sequence[Posted]) -> None:
    """Totals, the ledger's count beside the number posted, and health. Raises ServerFailed where they differ."""
    scores = np.asarray([p.found.score for p in posted], dtype=np.float32)
    defective = np.asarray([p.test.defective for p in posted])
    rejected = np.asarray([p.found.decision != "accept" for p in posted])
    in_ledger = sum(1 for _ in client.list_inspections(bank=BANK))
    health, bank = client.get_health(), client.get_bank_health(BANK, check=True)
    for name, value in (
        ("image AUROC", f"{auroc(scores, defective):.3f}"),
        ("good cells rejected", f"{int((rejected & ~defective).sum())} of {int((~defective).sum())}"),
        ("defective cells rejected", f"{int((rejected & defective).sum())} of {int(defective.sum())}"),
        ("median answer", f"{np.median([p.seconds for p in posted]) * 1e3:.0f} ms"),
        ("inspections in the ledger", f"{in_ledger} of {len(posted)} posted"),
        (
            "server",
            f"{health.status}, up {health.uptime_seconds:.0f} s, backbone {health.backbone.get('name')}",
        ),
        ("bank", f"{bank.state}, version {bank.version}"),
    ):
        say(f"{name:<28} {value}")
    if in_ledger != len(posted) or health.status != "ok" or bank.state != "ready":
        raise AppError(
            requirement="every posted cell must be in the ledger and server and bank be well",
            received=f"{in_ledger} of {len(posted)}, {health.faults}, {bank.reason}",
            remedy="See the lines above.",
        )


def leave(server: Server, client: Client) -> None:
    """The server's end by signal, and that nobody answers after it."""
    started = time.perf_counter()
    server.stop()
    say(f"{'server':<28} left with status 0, {time.perf_counter() - started:.1f} s after SIGTERM")


if __name__ == "__main__":
    main()
