"""One owner of the cores: a single number of compute threads for torch, OpenVINO, FAISS and the decoders.

The number is the setting ``threads``, else OMP_NUM_THREADS, else the cores that this process may use: those of its
affinity, within its control group's quota, whatever the machine has. torch carries it to every thread; FAISS takes
torch's number at each call (core/search), OpenVINO is given it where a network is compiled (models).

OpenBLAS is held to the calling thread. After each product it keeps its other threads busy waiting for the next, for
tens of milliseconds, and the only products here that reach it are the small ones of a heatmap; measured on two cores,
an inspection cost 80 ms of processor time with those threads and 22 ms without, and was no slower.
"""

from __future__ import annotations

import os
from pathlib import Path

import torch
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

CGROUP = Path("/sys/fs/cgroup")
FEWEST_DECODERS, CORES_A_DECODER = 2, 8


def own_cores(asked: int | None = None) -> int:
    """Have everything in this process compute on so many threads, ``default_threads()`` where None; that number."""
    count = asked or default_threads()
    ThreadpoolController().select(user_api="openmp").limit(limits=count)
    quiet_blas()
    torch.set_num_threads(count)
    return count


def quiet_blas() -> None:
    """Hold OpenBLAS's own threads to one in this process. Harmless where there is none."""
    ThreadpoolController().select(threading_layer="pthreads").limit(limits=1)


def default_threads() -> int:
    """OMP_NUM_THREADS where it is a number above 0, else ``available_cores()``."""
    named = os.environ.get("OMP_NUM_THREADS", "")
    return int(named) if named.isdecimal() and int(named) > 0 else available_cores()


def available_cores() -> int:
    """Cores that this process may keep busy; a quota of two and a half is two."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(allowed, int(_quota() or allowed)))


def decoders(threads: int) -> int:
    """Threads that decode images beside those that compute: two, on many cores an eighth of them, never more."""
    return min(threads, max(FEWEST_DECODERS, threads // CORES_A_DECODER))


def _quota() -> float | None:
    """Cores' worth of time that the control group grants, of version 2 or 1; None without a limit."""
    try:
        if (file := CGROUP / "cpu.max").exists():
            granted, period = file.read_text().split()
        else:
            granted, period = (
                (CGROUP / "cpu" / f"cpu.cfs_{of}_us").read_text() for of in ("quota", "period")
            )
        return max(1.0, float(granted) / float(period)) if float(granted) > 0 else None
    except (OSError, ValueError):  # no control groups, or "max"
        return None
