"""Damaged files, tens of thousands: does any crash, hang or grow the reader of images or of bank files?

``python -m bench.fuzz`` (``make bench-fuzz``) damages pictures of every format and bank files by a seed, in child
processes: bytes flipped, cut off, doubled, zeroed, replaced by others of the file, numbers set to their ends; of every
second bank the content, under a digest that holds. Each must be read or refused by name. What else happens is printed
with the seed that makes it again, and ends the bench with 1. ``--toy`` damages a few hundred.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

from app.errors import ImageRefused
from app.imaging.decode import ImageLimits, decode_photograph
from app.learning.learn import learn
from bench.line import part
from core.bank import load_bank, save_bank
from core.bank.container import decode, encode
from core.config import DetectorConfig, InputConfig
from core.detector import thresholds_of
from core.errors import CoreError
from core.groups import by_photograph
from core.input.photograph import Photograph
from models.backbone import load_backbone

COUNT, TOY = 50_000, 300  # files damaged, half of them pictures
CHUNK = 5_000  # of a child process
SLOWEST = 5.0  # seconds that one may take
GROWTH = 64 << 20  # bytes that a child may grow by after its first fifth
HANG_SECONDS = 900.0  # for a chunk
FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "WEBP")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=COUNT)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--toy", action="store_true", help=f"{TOY} files")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)  # where the whole files are
    arguments = parser.parse_args()
    count = TOY if arguments.toy else arguments.count
    if arguments.child is not None:
        sys.exit(_chunk(arguments.child, arguments.seed, count))
    with tempfile.TemporaryDirectory(prefix="nominal-fuzz-") as folder:
        write_whole(Path(folder))
        faults = [
            fault
            for start in range(0, count, CHUNK)
            if (fault := _child(Path(folder), arguments.seed + start, min(CHUNK, count - start)))
        ]
    print("\n".join([*faults, f"{count:,} damaged files, {len(faults)} faults"]))
    sys.exit(bool(faults))


def write_whole(folder: Path) -> None:
    """One picture of each format, and a bank file."""
    pixels = Image.open(io.BytesIO(part(0, 64))).convert("RGB")
    for form in FORMATS:
        pixels.save(folder / f"picture.{form.lower()}", form)
    Image.fromarray(np.asarray(pixels)[..., 0].astype(np.uint16) * 257).save(folder / "picture16.png")
    config = DetectorConfig(target_false_reject=0.2).changed({"input": {"size": 64}, "min_bank_vectors": 64})
    images = [(f"{i}.png", partial(_photograph, part(i, 64), config.input)) for i in range(8)]
    backbone = load_backbone("efficientnet-lite2", None, allow_fetch=False, precision="float32", threads=1)
    save_bank(learn(images, backbone, config, groups=by_photograph(len(images))).bank, folder / "whole.bank")


def damaged(whole: bytes, rng: np.random.Generator) -> bytes:
    """A file with one to four kinds of damage."""
    data = bytearray(whole)
    for _ in range(rng.integers(1, 5)):
        if not data:
            break
        at, length = int(rng.integers(len(data))), int(rng.integers(1, 65))
        DAMAGES[rng.integers(len(DAMAGES))](data, at, length, rng)
    return bytes(data)


def resealed(whole: bytes, rng: np.random.Generator) -> bytes:
    """A bank with damage in an array or a digit of its header, and the digest of what it then holds."""
    container = decode(whole)
    arrays, header = dict(container.arrays), container.header
    if rng.integers(4):
        name = sorted(arrays)[rng.integers(len(arrays))]
        data = bytearray(arrays[name].tobytes())
        for _ in range(rng.integers(1, 4)):
            if data:
                kind = (_flipped, _zeroed, _extreme)[rng.integers(3)]
                kind(data, int(rng.integers(len(data))), int(rng.integers(1, 65)), rng)
        size = arrays[name].nbytes
        arrays[name] = np.frombuffer(bytes(data)[:size], arrays[name].dtype).reshape(arrays[name].shape)
    else:
        digits = [i for i, letter in enumerate(header) if letter.isdigit()]
        at = digits[rng.integers(len(digits))]
        header = header[:at] + "0123456789-.e"[rng.integers(13)] + header[at + 1 :]
    return b"".join(encode(replace(container, header=header, arrays=arrays)))


def _flipped(data: bytearray, at: int, length: int, rng: np.random.Generator) -> None:
    data[at] ^= 1 << int(rng.integers(8))


def _cut(data: bytearray, at: int, length: int, rng: np.random.Generator) -> None:
    del data[at:]


def _doubled(data: bytearray, at: int, length: int, rng: np.random.Generator) -> None:
    data[at:at] = data[at : at + length]


def _zeroed(data: bytearray, at: int, length: int, rng: np.random.Generator) -> None:
    data[at : at + length] = bytes(len(data[at : at + length]))


def _moved(data: bytearray, at: int, length: int, rng: np.random.Generator) -> None:
    other = int(rng.integers(len(data)))
    data[at : at + length] = data[other : other + length]


def _extreme(data: bytearray, at: int, length: int, rng: np.random.Generator) -> None:
    ends = (b"\xff" * 4, b"\x7f" + b"\xff" * 3, b"\x80" + bytes(3), b"\xff" * 8)
    data[at : at + 4] = ends[rng.integers(len(ends))]


Damage = Callable[[bytearray, int, int, np.random.Generator], None]
DAMAGES: tuple[Damage, ...] = (_flipped, _cut, _doubled, _zeroed, _moved, _extreme)


def _child(folder: Path, seed: int, count: int) -> str | None:
    """What went wrong in a child process, None where nothing did; it prints what became of its files."""
    command = [sys.executable, "-W", "ignore", "-m", "bench.fuzz"]
    command += ["--child", str(folder), "--seed", str(seed), "--count", str(count)]
    try:
        status = subprocess.run(command, timeout=HANG_SECONDS).returncode
    except subprocess.TimeoutExpired:
        return f"seeds {seed:,} to {seed + count - 1:,}: no end after {HANG_SECONDS:g} s"
    return f"seeds {seed:,} to {seed + count - 1:,}: ended with {status}" if status else None


def _chunk(folder: Path, first: int, count: int) -> int:
    """Read ``count`` damaged files, each by a seed of its own; 1 where one did what none may."""
    files = {path: path.read_bytes() for path in sorted(folder.iterdir())}
    pictures = [path for path in files if path.suffix != ".bank"]
    became, slowest, faults, process = Counter[str](), 0.0, 0, psutil.Process()
    settled = 0
    for seed in range(first, first + count):
        rng = np.random.default_rng(seed)
        path = pictures[seed // 2 % len(pictures)] if seed % 2 else folder / "whole.bank"
        make = resealed if seed % 4 == 0 else damaged
        data = make(files[path], rng)
        started = time.perf_counter()
        try:
            became[_read(path, data)] += 1
        except Exception as error:
            faults += 1
            print(f"seed {seed}: {path.name}: {type(error).__name__}: {str(error)[:200]}", flush=True)
        slowest = max(slowest, time.perf_counter() - started)
        if seed == first + count // 5:
            settled = process.memory_info().rss
    grown = process.memory_info().rss - settled
    said = ", ".join(f"{number:,} {what}" for what, number in sorted(became.items()))
    print(
        f"{count:,} files from seed {first:,}: {said}; slowest {slowest * 1e3:.0f} ms, grown by {grown >> 20} MiB"
    )
    return int(faults > 0 or slowest > SLOWEST or grown > GROWTH)


def _read(path: Path, data: bytes) -> str:
    if path.suffix == ".bank":
        try:
            thresholds_of(load_bank(data))
        except CoreError:
            return "banks refused"
        return "banks read"
    try:
        _photograph(data, InputConfig())
    except ImageRefused:
        return "pictures refused"
    return "pictures read"


def _photograph(data: bytes, config: InputConfig) -> Photograph:
    return decode_photograph(data, config, ImageLimits())


if __name__ == "__main__":
    main()
