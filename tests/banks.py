"""Small whole banks for tests, from seeded data: no images, no backbone."""

from __future__ import annotations

import numpy as np
import torch

from core.bank import BackboneRef, Bank, Conformance, CoresetRecord, Provenance
from core.config import DetectorConfig
from core.features.pca import Pca
from core.search import Index, IndexConfig

INDEXES = {
    "flat": IndexConfig(),
    "hnsw": IndexConfig(kind="hnsw", links=4, build_effort=40, effort=32),
    "ivfpq": IndexConfig(kind="ivfpq", lists=8, probes=4, code_bytes=4),
}


def tiny_bank(kind: str = "flat", m: int = 300, n: int = 5, seed: int = 0, pca: int | None = None) -> Bank:
    """A bank of m vectors of 3 + 5 dimensions from n images, in steps of 1/64 so that distances are exact.

    pca: dimensions that the vectors have instead, along as many components.
    """
    rng = np.random.default_rng(seed)
    vectors = (rng.integers(-256, 256, (m, pca or 8)) / 64).astype(np.float32)
    cells = rng.integers(0, (n, 12, 16), (m, 3)).astype(np.int32)
    return Bank(
        config=DetectorConfig(
            index=INDEXES[kind], seed=seed, min_bank_vectors=0, target_false_reject=0.2, pca=pca
        ),
        backbone=tiny_ref(),
        index=Index.build(vectors, INDEXES[kind], seed),
        provenance=Provenance(
            images=tuple(f"good/{i:03d}.png" for i in range(n)),
            image=np.ascontiguousarray(cells[:, 0]),
            row=np.ascontiguousarray(cells[:, 1]),
            column=np.ascontiguousarray(cells[:, 2]),
        ),
        coreset=CoresetRecord(covering_radius=1.5, radius_bound=1.5, exact=True, source_patches=100 * m),
        calibration_scores=rng.uniform(1, 2, n).astype(np.float32),
        calibration_peaks=rng.uniform(1, 2, n).astype(np.float32),
        conformance=Conformance(
            images=tuple(rng.integers(0, 256, shape, np.uint8) for shape in ((4, 6, 3), (5, 2, 3))),
            scores=rng.uniform(1, 2, 2).astype(np.float32),
            tolerance=0.02,
        ),
        pca=None if pca is None else tiny_pca(pca),
    )


def tiny_pca(k: int) -> Pca:
    """The first k of 8 perpendicular directions, whose coordinates are all alike but for the sign."""
    signs = torch.ones(1, 1)
    for _ in range(3):
        signs = torch.cat([torch.cat([signs, signs], 1), torch.cat([signs, -signs], 1)])
    return Pca(torch.arange(8) / 64, signs[:k] / 8**0.5)


def tiny_ref() -> BackboneRef:
    """A backbone of two layers, 3 and 5 channels."""
    return BackboneRef(
        name="tiny",
        layers=("layer2", "layer3"),
        channels=(3, 5),
        digest="0123456789abcdef" * 4,
        runtime="torch",
        precision="float32",
        mean=(0.5, 0.5, 0.5),
        std=(0.25, 0.25, 0.25),
    )
