"""What the Open Inference Protocol (/v2) adds to one inspection: the same images by both ways, in turns.

One server in a process of its own on loopback and one connection kept open. Each image is sent as a file to
``/inspect``, then as a file and as RGB samples to ``/v2``, both in binary; the order turns with every image. Accepted
images only, so that keeping images counts for none. It keeps a part of docs/performance.md; ``--toy`` sends a few
images and leaves the page alone.
"""

from __future__ import annotations

import argparse
import json
import struct
import tempfile
from collections import defaultdict
from pathlib import Path

import httpx
import numpy as np

from app.imaging.decode import decode_image
from bench.latency import connection
from bench.line import AT_ONCE, Machine, built_bank, part
from bench.tables import PERFORMANCE, machine, replace_section, table

BANK = "parts"
INSPECT, INFER = f"/v1/banks/{BANK}/inspect", f"/v2/models/{BANK}/infer"
MOST_ADDED = 3.0  # ms at p50
WARM_UP = 10
OPEN = {"review_threshold": 1e6, "reject_threshold": 1e6}  # every image is accepted


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.inference", description=__doc__)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--side", type=int, default=256, help="pixels each way")
    parser.add_argument("--toy", action="store_true", help="a few images; the page stays as it is")
    options = parser.parse_args()
    if options.toy:
        options.images, options.side = 4, 64
    times = measured(options.images, options.side)
    text = described(times, options.side)
    print(text)
    if not options.toy:
        replace_section("inference", text, PERFORMANCE)


def measured(images: int, side: int) -> dict[str, list[float]]:
    """Milliseconds of each way, image by image."""
    times: dict[str, list[float]] = defaultdict(list)
    config = {"target_false_reject": 0.2, "input": {"size": side, "fit": "stretch", "crop": None}}
    with (
        tempfile.TemporaryDirectory(prefix="nominal-inference-") as folder,
        Machine(Path(folder), **AT_ONCE) as server,
    ):
        with httpx.Client(base_url=server.url, timeout=600) as client:
            built_bank(client, BANK, [part(seed, side) for seed in range(12)], config)
            client.patch(f"/v1/banks/{BANK}", json=OPEN).raise_for_status()
        with connection(server.url) as post:
            for at in range(-WARM_UP, images):
                asked = [*requests(part(100 + at, side)).items()]
                for name, (path, body, headers) in asked[at % 3 :] + asked[: at % 3]:
                    taken, _ = post(path, body, headers)
                    if at >= 0:
                        times[name].append(taken)
    return times


def requests(png: bytes) -> dict[str, tuple[str, bytes, dict[str, str]]]:
    """(path, body, headers) of each way to have an image inspected."""
    pixels = decode_image(png)
    element = struct.pack("<I", len(png)) + png
    return {
        "/inspect, PNG": (INSPECT, png, {"Content-Type": "image/png"}),
        "/v2, PNG": in_binary("image", "BYTES", [1], element),
        "/v2, RGB samples": in_binary("pixels", "UINT8", [*pixels.shape], pixels.tobytes()),
    }


def in_binary(name: str, datatype: str, shape: list[int], tensor: bytes) -> tuple[str, bytes, dict[str, str]]:
    """An inference whose tensor follows the JSON."""
    sized = {"binary_data_size": len(tensor)}
    said = {"inputs": [{"name": name, "datatype": datatype, "shape": shape, "parameters": sized}]}
    head = json.dumps(said).encode()
    return INFER, head + tensor, {"Inference-Header-Content-Length": str(len(head))}


def described(times: dict[str, list[float]], side: int) -> str:
    """The table and what /v2 adds, as markdown."""
    rows = [
        [name, " / ".join(f"{value:.2f}" for value in np.percentile(taken, (50, 95, 99)))]
        for name, taken in times.items()
    ]
    lines = [table([f"{side} pixels each way", "ms at p50 / p95 / p99"], rows), ""]
    usual = np.array(times["/inspect, PNG"])
    for name in ("/v2, PNG", "/v2, RGB samples"):
        added = float(np.median(np.array(times[name]) - usual))
        verdict = "reached" if added <= MOST_ADDED else "NOT reached"
        lines.append(
            f"- {verdict}: {name} adds at most {MOST_ADDED:g} ms to /inspect at p50; {added:.2f} ms."
        )
    command = "`python -m bench.inference`"
    return "\n".join([*lines, "", f"{len(usual)} images. Machine: {machine()}. Command: {command}."])


if __name__ == "__main__":
    main()
