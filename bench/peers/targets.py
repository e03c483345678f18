"""What is to be reached against the peers, and whether it was."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from bench.peers.contenders import ANOMALIB, EMBEDDED
from bench.peers.trial import Result

LATENCY, BUILD, CORESET, MEMORY = 8.0, 8.0, 50.0, 2.0  # times better than anomalib
QUALITY, SLOWER = 0.976, 2.0  # AUROC with five times the bank, at no more than this times the latency
EMBEDDED_RATE = 2.0  # times the throughput of resnet50
REFERENCE = "Nominal resnet50"
FLOAT32 = f"{REFERENCE} float32"


class Verdict(NamedTuple):
    """One target in words, what was found, and whether it holds."""

    target: str
    found: str
    reached: bool

    def line(self) -> str:
        return f"- {'reached' if self.reached else 'NOT reached'}: {self.target}; {self.found}."


def verdicts(results: dict[str, Result]) -> Iterator[Verdict]:
    """Every target whose contenders took part."""
    if ANOMALIB in results:
        yield from _against_anomalib(results, results[ANOMALIB])
    if FLOAT32 in results and EMBEDDED in results:
        times = results[EMBEDDED].rate / results[FLOAT32].rate
        yield _times(
            "efficientnet-lite2's throughput by resnet50's float32", times, EMBEDDED_RATE, f"{times:.1f}"
        )
    small, large = results.get(f"{FLOAT32}, 1%"), results.get(f"{FLOAT32}, 5%")
    if small and large:
        slower = large.p50 / small.p50
        found = f"{large.auroc:.3f} against {small.auroc:.3f}, at {slower:.2f} times the latency"
        yield Verdict(
            f"image AUROC {QUALITY} with the 5 % bank at {SLOWER:g} times the latency of the 1 % bank or less",
            found,
            round(large.auroc, 3) >= QUALITY and slower <= SLOWER,
        )


def as_good(ours: Result, peer: Result) -> bool:
    """Whether the median image AUROC is the peer's or better, or nearer to it than seeds alone move either of them."""
    moved = min(max(result.aurocs) - min(result.aurocs) for result in (ours, peer))
    return ours.auroc >= peer.auroc - moved


def _against_anomalib(results: dict[str, Result], anomalib: Result) -> Iterator[Verdict]:
    ours = {
        name: result
        for name, result in results.items()
        if name.startswith(REFERENCE) and result.images == anomalib.images
    }
    good = {name: result for name, result in ours.items() if as_good(result, anomalib)}
    name, fastest = min((good or ours).items(), key=lambda item: item[1].p50)
    found = f"{name}, {fastest.auroc_said} against {anomalib.auroc_said}"
    yield Verdict("image AUROC of anomalib or better, as far as seeds tell", found, bool(good))
    yield _times("latency of one image against anomalib", anomalib.p50 / fastest.p50, LATENCY, name)
    yield _times("build", anomalib.build / fastest.build, BUILD, name)
    yield _times("coreset", anomalib.coreset / fastest.coreset, CORESET, name)
    yield _times("peak memory of the build", anomalib.peak_mb / fastest.peak_mb, MEMORY, name)


def _times(what: str, found: float, wanted: float, beside: str) -> Verdict:
    return Verdict(f"{what}, {wanted:g} times better", f"{found:.1f} times ({beside})", found >= wanted)
