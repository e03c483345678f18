"""The memory of defects on real ones: found again by their kind, suggested, mined for patterns, and explained.

``python -m bench.memory`` (``make bench-memory``) learns cuts of ``python -m bench.accuracy`` and writes three tables
of docs/accuracy.md: retrieval by each descriptor with what reviewed kinds teach (here), patterns (bench/patterns.py)
and explanations (bench/explain.py). ``--toy`` takes a few photographs and leaves the page alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from statistics import mean

import numpy as np

from bench import explain, patterns, suggested
from bench.accuracy import SEEDS, in_float32
from bench.cuts import Cut, cuts, sets
from bench.datasets import Few
from bench.tables import ACCURACY, machine, replace_section, table
from core.retrieval import EXPANDED, KINDS, Kind, RetrievalQuality, learn_projection, retrieval_quality
from models.backbone import Backbone

BACKBONE = "efficientnet-lite2"
TAUGHT_GOOD = Few(parts=150, tests=10_000)  # enough for a bank; every defect is asked
TOY = Few(parts=12, tests=4)
SECTIONS = ("memory", "patterns", "explanations")
HEAD = ("set", "descriptor", "mAP", "P@1", "mAP, whitened", "P@1", f"mAP, with {EXPANDED} nearest", "P@1")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.memory", description=__doc__)
    parser.add_argument("--toy", action="store_true", help="a few photographs; the page stays as it is")
    parser.add_argument("--only", choices=SECTIONS, help="one table")
    arguments = parser.parse_args()
    backbone, said = in_float32(BACKBONE), dict[str, str]()
    if arguments.only != "explanations":
        said = _of_sets(backbone, arguments.toy, arguments.only)
    if arguments.only in (None, "explanations"):
        said["explanations"] = explain.section(backbone, arguments.toy)
    for name, text in said.items():
        if arguments.only in (None, name):
            whole = f"{text} Machine: {machine()}. Command: `make bench-memory`."
            print(f"{whole}\n", flush=True)
            if not arguments.toy:
                replace_section(name, whole, ACCURACY)


def _of_sets(backbone: Backbone, toy: bool, only: str | None) -> dict[str, str]:
    """The tables of retrieval and of patterns."""
    few, seeds = (TOY, SEEDS[:1]) if toy else (TAUGHT_GOOD, SEEDS)
    ranks, votes, groups, learnt, about = [], [], [], [], []
    for dataset in sets():
        of = [*cuts(dataset, seeds, few, backbone)]
        if only != "patterns":
            ranks += [_row(of, kind) for kind in KINDS]
            votes += [suggested.row(cut) for cut in of]
            learnt += [_learnt(cut) for cut in of]
        if only != "memory":
            groups += patterns.rows(of)
        one = of[0]
        about.append(
            f"{one.name}: {len(one.defects)} defects with {len(set(one.kinds))} labels on {len(set(one.parts))} parts."
        )
    note = f"{' '.join(about)} Means over seeds {', '.join(map(str, seeds))}; {BACKBONE}."
    kinds = [table(HEAD, ranks), "", *learnt, "", table(suggested.HEAD, votes), "", note]
    return {"memory": "\n".join(kinds), "patterns": f"{table(patterns.HEAD, groups)}\n\n{note}"}


def _row(of: Sequence[Cut], kind: Kind) -> list[str]:
    columns = zip(*(_qualities(kind, cut) for cut in of), strict=True)
    return [of[0].name, kind, *(f"{mean(values):.3f}" for form in columns for values in _figures(form))]


def _qualities(kind: Kind, cut: Cut) -> list[RetrievalQuality]:
    """Of plain descriptors, of whitened ones, and of these with queries expanded."""
    plain, white = cut.described(kind, whitened=False), cut.described(kind)
    return [
        retrieval_quality(plain, cut.kinds, cut.parts),
        retrieval_quality(white, cut.kinds, cut.parts),
        retrieval_quality(white, cut.kinds, cut.parts, nearest=EXPANDED),
    ]


def _figures(form: Sequence[RetrievalQuality]) -> Iterator[list[float]]:
    yield [each.map for each in form]
    yield [each.precision_at_1 for each in form]


def _learnt(cut: Cut) -> str:
    """What triplets of one half of the parts add on the other half."""
    described, kinds, parts = cut.described(), cut.kinds, cut.parts
    order = np.random.default_rng(cut.seed).permutation(np.unique(parts))
    taught = np.isin(parts, order[: len(order) // 2])
    rest = kinds[~taught], parts[~taught]
    learnt = learn_projection(described[taught], kinds[taught], parts[taught], cut.seed)
    before = retrieval_quality(described[~taught], *rest).map
    said = "they are not offered"
    if learnt is not None:
        said = f"with triplets {retrieval_quality(learnt(described[~taught]), *rest).map:.3f}"
    return (
        f"- {cut.name}, half of the parts teach, seed {cut.seed}: mAP on the other half {before:.3f}, {said}."
    )


if __name__ == "__main__":
    main()
