"""FAISS's threads: OpenMP keeps their number for each calling thread, and torch may read the very same one.

Which library is loaded first decides whether the two share one OpenMP. So a number is lent for a call and put
back: left at one, it would hold torch's next products in this thread to one core.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import faiss as untyped_faiss
import torch

faiss: Any = untyped_faiss


@contextmanager
def faiss_threads(count: int | None = None) -> Iterator[None]:
    """FAISS computes what this thread calls within on ``count`` threads, as many as torch where None."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(torch.get_num_threads() if count is None else count)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
