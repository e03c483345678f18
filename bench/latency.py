"""Where does the time of one image go, in process and over HTTP? Real solar cells as 256-pixel PNG files.

One bank serves both: ``nominal serve``, in a process of its own on loopback, builds it and this process loads it.
Then each answers the same images one after another, in turns, without a map and with an overlay. In process every stage
is timed; over HTTP the stages are those that the answer states, and what they leave of the time until the client has
the answer is the framework's: body, queue, ledger (on disk before the answer) and JSON. As many good cells are sent as
defective ones; images that are not accepted are kept, on disk before the answer too, and have rows of their own. It
keeps the table of docs/performance.md. ``--toy`` runs once at 64 pixels and leaves the table alone.
"""

from __future__ import annotations

import argparse
import json
import socket
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import numpy as np
from PIL import Image

from app.imaging.decode import decode_image
from app.imaging.pictures import encode_png, overlay
from app.inspection.engine import Engine
from app.ops.process import quiet_blas
from bench.accuracy import RESNET50
from bench.datasets import elpv_split
from bench.line import Machine, built_bank
from bench.tables import PERFORMANCE, machine, replace_section, table
from core.bank import load_bank
from core.features.patches import patch_features
from core.input.preprocess import frame, to_tensor
from core.judging.heatmap import heatmap
from core.judging.regions import regions
from core.judging.scoring import decide, image_scores
from core.retrieval import worst_mean
from models.backbone import load_backbone

BANK = "cells"
STAGES = ("decode", "resize", "features", "search", "score", "descriptor", "map", "encode", "framework")
KEPT = "framework, image kept"
ANSWERED = {
    "decode": "decode",
    "preprocess": "resize",
    "features": "features",
    "search": "search",
    "map": "map",
}
WHOLE, WHOLE_KEPT, PICTURE = "all, no map in the answer", "the same, image kept", "all, with overlay"
MOST_ADDED = 3.0  # ms that HTTP may add at p50
MOST_DESCRIPTOR = 1.0  # ms that finding similar inspections later may cost each one
WARM_UP = 10

Times = dict[str, list[float]]
"""Milliseconds of each image, by stage."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.latency", description=__doc__)
    parser.add_argument("--images", type=int, default=100, help="different images, of each turn")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--toy", action="store_true", help="a few small images once; the table stays as it is"
    )
    options = parser.parse_args()
    backbones = ["efficientnet-lite2"] + ["resnet50"] * (RESNET50.exists() and not options.toy)
    size, nominal = (64, 12) if options.toy else (256, 100)
    if options.toy:
        options.images, options.rounds = 4, 1
    split = elpv_split()
    good = [png(path, size) for path in split.train[:nominal]]
    pairs = zip(split.test_good, split.defective[::4], strict=False)  # one of each: as many to keep as not
    tested = [png(path, size) for pair in pairs for path in pair]
    columns: dict[str, Times] = {}
    for backbone in backbones:
        columns |= measured(backbone, good, tested[: options.images], size, options.rounds)
    text = described(columns, backbones, size, options.rounds * min(options.images, len(tested)))
    print(text)
    if not options.toy:
        replace_section("latency", text, PERFORMANCE)


def png(path: Path, size: int) -> bytes:
    """The image as an RGB PNG of ``size`` pixels a side."""
    return encode_png(
        np.array(Image.open(path).convert("RGB").resize((size, size), Image.Resampling.BICUBIC))
    )


def measured(
    backbone: str, good: list[bytes], tested: list[bytes], size: int, rounds: int
) -> dict[str, Times]:
    """Two columns of the table: one backbone in process and over HTTP."""
    given = {"weights": RESNET50} if backbone == "resnet50" else {}
    config = {"target_false_reject": 0.1, "input": {"size": size, "fit": "stretch", "crop": None}}
    inside: Times = defaultdict(list)
    outside: Times = defaultdict(list)
    with (
        tempfile.TemporaryDirectory(prefix="nominal-latency-") as folder,
        Machine(Path(folder), backbone=backbone, **given) as server,
    ):
        with httpx.Client(base_url=server.url, timeout=600) as client:
            version = built_bank(client, BANK, good, config)
            bundle = client.get(f"/v1/banks/{BANK}/versions/{version}/bundle").raise_for_status().content
        quiet_blas()
        engine = Engine(load_backbone(backbone, given.get("weights"), allow_fetch=False), load_bank(bundle))
        with connection(server.url) as posted:
            for turn in range(rounds + 1):
                images = tested if turn else tested[:WARM_UP]
                here, there = (inside, outside) if turn else (defaultdict(list), defaultdict(list))
                for data in images:
                    in_process(engine, data, here)
                for data in images:
                    over_http(posted, data, there)
    return {f"{backbone}, in process": inside, f"{backbone}, over HTTP": outside}


def in_process(engine: Engine, data: bytes, times: Times) -> None:
    """One image as a program would have it inspected; then through every stage, timed apart."""
    config, spec = engine.bank.config, engine.backbone.spec
    started = time.perf_counter()
    answer = engine.inspect([decode_image(data)])[0]
    whole = milliseconds_since(started)
    answer.draw()
    drawn = milliseconds_since(started)
    marks = [time.perf_counter()]

    def done(stage: str) -> None:
        marks.append(time.perf_counter())
        times[stage].append(1e3 * (marks[-1] - marks[-2]))

    image = decode_image(data)
    done("decode")
    batch = to_tensor(image, config.input, spec.mean, spec.std)[None]
    done("resize")
    vectors, grid = patch_features(engine.backbone(batch), config.patch)
    done("features")
    distances, _ = engine.bank.index.search(vectors[0].numpy(), 1)
    done("search")
    decide(float(image_scores(distances.reshape(1, -1))[0]), engine.thresholds)
    done("score")
    worst_mean(vectors[0].numpy(), distances.reshape(-1))
    done("descriptor")
    heat = heatmap(distances.reshape(grid), frame(config.input, *image.shape[:2]), config.sigma)
    found = regions(heat, engine.map_threshold)
    done("map")
    encode_png(overlay(image, heat, engine.map_threshold, found))
    done("encode")
    times[WHOLE if answer.decision == "accept" else WHOLE_KEPT].append(whole)
    times[PICTURE].append(drawn + times["encode"][-1])


def over_http(
    post: Callable[[str, bytes, dict[str, str]], tuple[float, bytes]], data: bytes, times: Times
) -> None:
    """One image without a map, its stages from the answer; then with an overlay."""
    path, headers = f"/v1/banks/{BANK}/inspect", {"Content-Type": "image/png"}
    whole, body = post(path, data, headers)
    said = json.loads(body)
    stages = {ANSWERED[name]: value for name, value in said["timings"].items() if name in ANSWERED}
    for stage, value in stages.items():
        times[stage].append(value)
    kept = said["image_sha256"] is not None
    times[KEPT if kept else "framework"].append(whole - sum(stages.values()))
    times[WHOLE_KEPT if kept else WHOLE].append(whole)
    times[PICTURE].append(post(path + "?heatmap=overlay", data, headers)[0])


@contextmanager
def connection(url: str) -> Iterator[Callable[[str, bytes, dict[str, str]], tuple[float, bytes]]]:
    """Posts a body to a path, with headers, over one connection kept open: (milliseconds until the answer, the answer).

    Request and answer are bytes on a socket, as they are to a controller: Python's own HTTP client would take
    part of a millisecond for itself.
    """
    where = urlsplit(url)
    with socket.create_connection((where.hostname, where.port), timeout=60) as kept:
        kept.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def post(path: str, data: bytes, headers: dict[str, str]) -> tuple[float, bytes]:
            said = {"Host": where.netloc, **headers, "Content-Length": str(len(data))}
            lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in said.items()), "", ""]
            request = "\r\n".join(lines).encode() + data
            started = time.perf_counter()
            kept.sendall(request)
            status, body = _answer(kept)
            seconds = time.perf_counter() - started
            if not status.startswith(b"HTTP/1.1 200 "):
                raise SystemExit(f"the server must answer 200; it said {status!r}: {body[:300]!r}")
            return 1e3 * seconds, body

        yield post


def _answer(kept: socket.socket) -> tuple[bytes, bytes]:
    """Status line and body of the one answer that is on its way."""
    read = bytearray()
    while (end := read.find(b"\r\n\r\n")) < 0:
        read += _some(kept)
    lines = bytes(read[:end]).split(b"\r\n")
    length = next(int(line[15:]) for line in lines if line[:15].lower() == b"content-length:")
    while len(read) < end + 4 + length:
        read += _some(kept)
    return lines[0], bytes(read[end + 4 :])


def _some(kept: socket.socket) -> bytes:
    if not (data := kept.recv(1 << 20)):
        raise SystemExit("the server must answer; it closed the connection")
    return data


def milliseconds_since(started: float) -> float:
    return 1e3 * (time.perf_counter() - started)


def described(columns: dict[str, Times], backbones: list[str], size: int, count: int) -> str:
    """The table and what HTTP adds, as markdown."""
    rows = [
        [stage, *(_cell(times.get(stage)) for times in columns.values())]
        for stage in (*STAGES, KEPT, WHOLE, WHOLE_KEPT, PICTURE)
    ]
    lines = [table([f"{size}-pixel PNG, ms at p50 / p95 / p99", *columns], rows), ""]
    for name in backbones:
        inside, outside = columns[f"{name}, in process"][WHOLE], columns[f"{name}, over HTTP"][WHOLE]
        if not (inside and outside):  # every image was kept
            continue
        added = float(np.median(outside) - np.median(inside))
        verdict = "reached" if added <= MOST_ADDED else "NOT reached"
        lines.append(f"- {verdict}: HTTP adds at most {MOST_ADDED:g} ms at p50; {name}: {added:.1f} ms.")
        took = float(np.median(columns[f"{name}, in process"]["descriptor"]))
        verdict = "reached" if took <= MOST_DESCRIPTOR else "NOT reached"
        lines.append(
            f"- {verdict}: a descriptor at most {MOST_DESCRIPTOR:g} ms at p50; {name}: {took:.2f} ms."
        )
    return "\n".join(
        [*lines, "", f"{count} images per cell. Machine: {machine()}. Command: `make bench-latency`."]
    )


def _cell(times: list[float] | None) -> str:
    if not times:
        return "-"
    return " / ".join(f"{value:.2f}" for value in np.percentile(times, (50, 95, 99)))


if __name__ == "__main__":
    main()
