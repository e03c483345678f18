"""OpenBLAS's own threads are held to one; everybody else's are left alone."""

from __future__ import annotations

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

from app.threads import quiet_blas


def counts(openblas_threads: bool) -> list[int]:
    """Threads of each pool that is OpenBLAS on threads of its own, or of each that is not."""
    pools = threadpool_info()
    chosen = [pool for pool in pools if (pool.get("threading_layer") == "pthreads") is openblas_threads]
    return [pool["num_threads"] for pool in chosen]


def test_only_openblas_on_its_own_threads_is_held_to_one() -> None:
    assert np.ones((2, 2)).sum() == 4  # NumPy's is loaded
    with threadpool_limits(limits=2):
        others = counts(False)
        quiet_blas()
        assert set(counts(True)) == {1}
        assert counts(False) == others
