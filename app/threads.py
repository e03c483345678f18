"""Compute threads that wait by spinning: NumPy's and SciPy's OpenBLAS, held to the calling thread.

After each product OpenBLAS keeps its other threads busy waiting for the next, for tens of milliseconds. The only
products here that reach it are the small ones of a heatmap; measured on two cores, an inspection cost 80 ms of
processor time with those threads and 22 ms without, and was no slower. torch, OpenVINO and FAISS keep theirs.
"""

from __future__ import annotations

from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]


def quiet_blas() -> None:
    """Hold OpenBLAS's own threads to one in this process. Harmless where there is none."""
    ThreadpoolController().select(threading_layer="pthreads").limit(limits=1)
