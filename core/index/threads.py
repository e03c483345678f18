"""FAISS's threads: OpenMP numbers them for each calling thread anew, torch's number is one for the process."""

from __future__ import annotations

from typing import Any

import faiss as untyped_faiss
import torch

faiss: Any = untyped_faiss


def take_threads(count: int | None = None) -> None:
    """Have FAISS compute what this thread calls next on ``count`` threads, as many as torch where None."""
    faiss.omp_set_num_threads(torch.get_num_threads() if count is None else count)
