"""The table of a comparison: each value with how many times better than anomalib it is."""

from __future__ import annotations

from bench.peers.contenders import ANOMALIB
from bench.peers.trial import Effort, Images, Result
from bench.tables import machine, table

HEAD = (
    "pipeline, nominal images",
    "bank",
    "build s",
    "coreset s",
    "one image p50 ms",
    "p95 ms",
    "images/s",
    "build's peak MB",
    "image AUROC",
)


def rows(results: dict[str, Result]) -> list[list[str]]:
    """One row a contender; in brackets the ratio to anomalib where it saw the same images."""
    peer = results.get(ANOMALIB)
    return [_row(name, r, peer if peer and peer.images == r.images else None) for name, r in results.items()]


def described(results: dict[str, Result], images: Images, effort: Effort, verdicts: list[str]) -> str:
    """Table, conditions and verdicts as markdown."""
    first = next(iter(results.values()))
    weights = ", the same weights of resnet50" if ANOMALIB in results else ""
    builds = ", ".join(f"{name} {len(result.builds)}" for name, result in results.items())
    how = (
        f"{images.name}, {len(images.test)} test images, {effort.size} x {effort.size} input without a crop, "
        f"{effort.threads} threads{weights}. One contender works at a time, in turns; medians of "
        f"{len(first.p50s)} turns of {len(images.timed)} images, from encoded bytes to score and map, and of "
        f"{effort.batch} at a time for images/s. Builds timed, each with a seed of its own: "
        f"{builds}; build, coreset and image AUROC are their medians, with the lowest and highest AUROC; "
        "Nominal's include its calibration. "
        "In brackets: how many times better than anomalib."
    )
    parts = [
        table(HEAD, rows(results)),
        how,
        "\n".join(verdicts),
        f"Machine: {machine()}. Command: `make bench-peers`.",
    ]
    return "\n\n".join(part for part in parts if part)


def _row(name: str, result: Result, peer: Result | None) -> list[str]:
    def value(text: str, better: float | None) -> str:
        return text if better is None or name == ANOMALIB else f"{text} ({better:.1f}x)"

    def cost(key: str, places: int) -> str:
        own = getattr(result, key)
        return value(f"{own:.{places}f}", getattr(peer, key) / own if peer else None)

    return [
        f"{name}, {result.images}",
        f"{result.builds[0]['vectors']:,}",
        cost("build", 1),
        cost("coreset", 3),
        cost("p50", 1),
        cost("p95", 1),
        value(f"{result.rate:.1f}", result.rate / peer.rate if peer else None),
        cost("peak_mb", 0),
        result.auroc_said,
    ]
