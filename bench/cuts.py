"""Sets whose defects have labels, cut by part: a bank, its defects and held-out good images as patches.

mtd's labels are kinds of defects. Those of elpv are no kinds: they are how sure experts were of a defect, a third, two
thirds or wholly. Features are computed once for all cuts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from app.errors import ImageRefused
from app.imaging.datasets import MvtecDataset, TestImage
from app.imaging.folders import read_photograph
from app.learning.learn import image_files, learn
from bench.accuracy import OTHERWISE, ROOT, TAUGHT
from bench.datasets import SHARED, Few, shown_parts, spread, write_apart, write_elpv_degrees
from core.bank import Bank
from core.config import DetectorConfig
from core.groups import by_photograph
from core.input.views import view_of
from core.patterns import Of, seen
from core.retrieval import Kind, Whitening, describe, whitening_of
from models.backbone import Backbone

GOOD = 100  # held-out good images, evenly spread
FALSE_REJECTS = 0.1


@dataclass(frozen=True, eq=False)
class Shot:
    """A photograph that a bank did not learn: patches, their distances, what is pooled of them; label and part."""

    vectors: Float32[np.ndarray, "p d"]
    distances: Float32[np.ndarray, " p"]
    grid: tuple[int, int]
    pooled: dict[Of, Float32[np.ndarray, " d"]]
    kind: str
    part: str


@dataclass(frozen=True, eq=False)
class Cut:
    """One cut of a set: what its bank did not learn."""

    name: str
    seed: int
    bank: Bank
    defects: Sequence[Shot]
    good: Sequence[Shot]

    @cached_property
    def whitening(self) -> Whitening:
        """Learnt from the bank."""
        return whitening_of(self.bank.vectors)

    @cached_property
    def kinds(self) -> np.ndarray:
        """Of the defects."""
        return np.asarray([each.kind for each in self.defects])

    @cached_property
    def parts(self) -> np.ndarray:
        """Of the defects."""
        return np.asarray([each.part for each in self.defects])

    def described(self, kind: Kind = "worst", whitened: bool = True) -> Float32[np.ndarray, "n d"]:
        """The defects' descriptors."""
        white = self.whitening if whitened else None
        return np.stack(
            [describe(kind, each.vectors, each.distances, each.grid, white) for each in self.defects]
        )

    def pooled(self, of: Of) -> tuple[Float32[np.ndarray, "n d"], Float32[np.ndarray, "r d"]]:
        """Of good images and defects."""
        good, bad = (np.stack([each.pooled[of] for each in side]) for side in (self.good, self.defects))
        return good, bad


def sets() -> list[Path]:
    """Those at hand, in MVTec form."""
    mtd, elpv = SHARED / "data" / "mtd", write_elpv_degrees(ROOT / "build" / "datasets" / "elpv-mono-degrees")
    return [*([mtd] if mtd.is_dir() else []), elpv]


def cuts(dataset: Path, seeds: Sequence[int], few: Few, backbone: Backbone) -> Iterator[Cut]:
    """A cut for each seed."""
    known: dict[str, list[Tensor]] = {}
    for seed in seeds:
        out = ROOT / "build" / "datasets" / f"{dataset.name}-memory-{few.parts}-{few.tests}-{seed}"
        split = write_apart(dataset, out, seed, TAUGHT.get(dataset.name, OTHERWISE), few)
        bank = _bank(split, backbone)
        tests, parts = MvtecDataset(split).test_images(), shown_parts(split)
        of = {side: [each for each in tests if each.defective == side] for side in (True, False)}
        defects, good = (
            [_shot(test, split, bank, backbone, parts, known) for test in some]
            for some in (of[True], spread(of[False], GOOD))
        )
        yield Cut(dataset.name, seed, bank, defects, good)


def _bank(split: Path, backbone: Backbone) -> Bank:
    config = DetectorConfig(target_false_reject=FALSE_REJECTS)
    paths = MvtecDataset(split).train_images()
    files = image_files(paths, [path.name for path in paths], config.input)
    return learn(files, backbone, config, groups=by_photograph(len(paths))).bank


def _shot(
    test: TestImage,
    split: Path,
    bank: Bank,
    backbone: Backbone,
    parts: dict[str, str],
    known: dict[str, list[Tensor]],
) -> Shot:
    image = read_photograph(test.path, bank.config.input)
    if isinstance(image, ImageRefused):
        raise image
    view = view_of(image, bank.config, bank.backbone.mean, bank.reference)
    x = view.tensor(bank.config.input, backbone.spec.mean, backbone.spec.std)
    name = test.path.relative_to(split).as_posix()
    if name not in known:
        with torch.inference_mode():
            known[name] = list(backbone(x[None]))
    look = seen(view, x, known[name], bank)
    return Shot(look.patches["whole"], look.distances, look.grid, look.pooled(), test.label, parts[name])
