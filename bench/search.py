"""How long does exact nearest-neighbour search take? ``core.search`` against FAISS's flat index.

Both search the same patches of real images in this process, on the same cores, in turns; the table gives medians
of the processor time and of the wall time for 1,024 queries, which are patches of images the bank has not seen.
Banks are greedy coresets of real images of one product. ``--toy`` runs once on a small bank.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import faiss
import numpy as np
import torch
from PIL import Image

from bench.accuracy import RESNET50, ROOT
from bench.datasets import SHARED, write_elpv
from bench.tables import machine, table
from core.config import InputConfig, PatchConfig
from core.features.patches import patch_features
from core.input.preprocess import to_tensor
from core.memory.coreset import greedy_coreset, random_projection
from core.search import Index
from models.backbone import load_backbone

QUERIES = 1024
SIZES = (500, 1_600, 7_800, 20_000, 50_000)
IMAGES = 60  # that a bank is made of
SEED = 0


class Cost(NamedTuple):
    """Medians in milliseconds."""

    processor: float
    wall: float


def main() -> None:
    """Print the comparison; exits with 1 where a nearest vector lies more than 1e-4 farther than FAISS's."""
    words = argparse.ArgumentParser(prog="python -m bench.search", description=__doc__)
    words.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="vectors of the banks")
    words.add_argument("--rounds", type=int, default=7, help="turns of both")
    words.add_argument("--toy", action="store_true", help="a small bank once, to see that it works")
    options = words.parse_args()
    images, size, all_cores = IMAGES, 256, torch.get_num_threads()
    if options.toy:
        images, size, options.sizes, options.rounds = 4, 64, [100], 1
    rows, worst = [], 0.0
    for backbone in ["efficientnet-lite2"] + (["resnet50"] if RESNET50.exists() and not options.toy else []):
        patches, queries = _features(backbone, images, size)
        order = _coreset(patches, min(max(options.sizes), len(patches)))
        for m in sorted({min(m, len(order)) for m in options.sizes}):
            for threads in sorted({1, all_cores}):
                row, off = _compare(patches[order[:m]], queries, threads, options.rounds)
                rows.append([backbone, f"{patches.shape[1]:,}", f"{m:,}", str(threads), *row])
                worst = max(worst, off)
    print(f"{machine()}; medians of {options.rounds} turns, ms for {QUERIES:,} queries as processor / wall\n")
    head = [
        "backbone",
        "d",
        "vectors",
        "threads",
        "FAISS flat",
        "ours",
        "ratio",
        "of one image without its own",
    ]
    print(table([*head, "preparing", "same nearest", "largest difference"], rows))
    raise SystemExit(0 if worst <= 1e-4 else 1)


def _compare(vectors: np.ndarray, queries: np.ndarray, threads: int, rounds: int) -> tuple[list[str], float]:
    """The row's cells, and how much farther than FAISS's a nearest vector lies at most, relatively."""
    torch.set_num_threads(threads)
    faiss.omp_set_num_threads(threads)
    flat = faiss.IndexFlatL2(vectors.shape[1])
    flat.add(vectors)
    index = Index.build(vectors)
    preparing = _timed(lambda: index.search(queries[:1]))  # what is kept for later searches is made here
    own = np.arange(0, len(vectors), IMAGES)
    calls: list[Callable[[], object]] = [
        lambda: flat.search(queries, 1),
        lambda: index.search(queries),
        lambda: index.nearest_excluding(queries, own),
    ]
    taken = [[_timed(call) for call in calls] for _ in range(rounds + 1)][1:]
    theirs, ours, excluding = (
        Cost(*(statistics.median(part) for part in zip(*column, strict=True)))
        for column in zip(*taken, strict=True)
    )
    share, off = _agreement(queries, vectors, flat.search(queries, 1)[1], index.search(queries)[1])
    cells = [_shown(theirs), _shown(ours), f"{theirs.processor / ours.processor:.1f}"]
    return [*cells, _shown(excluding), _shown(preparing), f"{share:.2%}", f"{off:.1e}"], off


def _agreement(
    queries: np.ndarray, vectors: np.ndarray, theirs: np.ndarray, ours: np.ndarray
) -> tuple[float, float]:
    """Share of queries with the same nearest; by how much the worst of ours is farther, in float64."""
    far, near = (
        np.linalg.norm(queries.astype(np.float64) - vectors[ids[:, 0]], axis=1) for ids in (ours, theirs)
    )
    return float(np.mean(ours == theirs)), float(np.max((far - near) / np.maximum(near, 1e-12)))


def _timed(call: Callable[[], object]) -> Cost:
    processor, wall = time.process_time(), time.perf_counter()
    call()
    return Cost(1000 * (time.process_time() - processor), 1000 * (time.perf_counter() - wall))


def _shown(cost: Cost) -> str:
    return f"{cost.processor:.1f} / {cost.wall:.1f}"


def _features(name: str, count: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Patches (n, d) of ``count`` nominal images, and 1,024 of other, tested ones."""
    tiles = SHARED / "data" / "mtd"
    root = tiles if tiles.is_dir() else write_elpv(ROOT / "build" / "datasets" / "elpv-mono")
    backbone = load_backbone(name, weights=RESNET50 if name == "resnet50" else None, allow_fetch=False)

    def patches(folder: Path, count: int) -> np.ndarray:
        paths = sorted(path for path in folder.rglob("*") if path.suffix in {".png", ".jpg"})
        found = []
        for path in paths[:: max(1, len(paths) // count)][:count]:
            image = np.array(Image.open(path).convert("RGB"))
            x = to_tensor(image, InputConfig(size=size), backbone.spec.mean, backbone.spec.std)
            found.append(patch_features(backbone(x[None]), PatchConfig()).vectors[0].numpy())
        return np.concatenate(found)

    tested = patches(root / "test", 16)
    step = max(1, len(tested) // QUERIES)
    return patches(root / "train", count), np.ascontiguousarray(tested[::step][:QUERIES])


def _coreset(patches: np.ndarray, count: int) -> np.ndarray:
    generator = torch.Generator().manual_seed(SEED)
    points = torch.from_numpy(patches)
    projection = random_projection(patches.shape[1], 128, generator)
    return greedy_coreset(points if projection is None else points @ projection, count, generator).indices


if __name__ == "__main__":
    main()
