"""Writes the golden banks and their expected answers, by hand and only when the format version changes.

Run ``PYTHONPATH=tests python tests/golden/make_golden.py``.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from banks import INDEXES, tiny_bank

from core.bank import Bank, save_bank
from core.config import InputConfig

HERE = Path(__file__).parent


def main() -> None:
    queries = np.random.default_rng(7).integers(-256, 256, (12, 8)) / 64
    bank = tiny_bank()
    expected: dict[str, Any] = {
        "queries": queries.tolist(),
        "images": bank.provenance.images,
        "calibration_scores": bank.calibration_scores.tolist(),
    }
    for kind in INDEXES:
        bank = tiny_bank(kind)
        save_bank(bank, HERE / f"{kind}.bank")
        ids = bank.index.search(queries, 3)[1]
        between = queries[:, None] - bank.vectors.astype(np.float64)[ids]  # naive, in float64
        distances = np.sqrt((between**2).sum(axis=2)).tolist()
        expected[kind] = {"distances": distances, "ids": ids.tolist(), "config": bank.config.to_json()}
    expected["pca"] = _of_pca(queries)
    save_bank(_of_reduced_jpeg(), HERE / "reduced_jpeg.bank")
    (HERE / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


def _of_pca(queries: np.ndarray) -> dict[str, Any]:
    bank = tiny_bank(pca=4)
    assert bank.pca is not None
    save_bank(bank, HERE / "pca.bank")
    mean, components = (part.double().numpy() for part in (bank.pca.mean, bank.pca.components))
    between = ((queries - mean) @ components.T)[:, None] - bank.vectors[None]  # naive, in float64
    distances = np.sqrt((between**2).sum(axis=2)).min(axis=1)
    return {"distances": distances.tolist(), "config": bank.config.to_json()}


def _of_reduced_jpeg() -> Bank:
    bank = tiny_bank()
    return replace(bank, config=replace(bank.config, input=InputConfig(reduced_jpeg=True)))


if __name__ == "__main__":
    main()
