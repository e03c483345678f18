"""What do few photographs support, and what do copies of them add? Image AUROC of banks of ten photographs.

``python -m bench.few`` takes the first ten parts of each cut of ``python -m bench.accuracy``, learns them with each
setting, and judges up to a hundred tests of each kind by all those banks in one pass, by both scores. It prints a table
and writes it to docs/accuracy.md; ``--only SET`` prints some rows and leaves the page alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import numpy as np

from app.errors import ImageRefused
from app.imaging.datasets import MvtecDataset
from app.imaging.folders import read_photograph
from app.learning.learn import Hooks, image_files, learn
from bench.accuracy import OTHERWISE, ROOT, SEEDS, in_float32, over_seeds
from bench.datasets import SHARED, Few, write_apart, write_elpv
from bench.tables import ACCURACY, machine, replace_section, table
from core.bank import Bank
from core.config import AugmentConfig, DetectorConfig
from core.detector import detect
from core.groups import by_photograph
from core.input.preprocess import to_tensor
from core.judging.heatmap import map_scores
from core.metrics.evaluation import auroc
from models.backbone import Backbone

WORK = ROOT / "build" / "datasets"
FEW = Few(parts=10, tests=100)  # as many as are at hand on the first day of a line
BACKBONE = "efficientnet-lite2"
HEAD = ("set", "setting", "learned", "vectors", "image AUROC", "with `--score map`")


@dataclass(frozen=True)
class Setting:
    """augment: as the option of that name takes it. floor: fewest vectors of a bank."""

    augment: str = ""
    floor: int = 1000

    @property
    def config(self) -> DetectorConfig:
        """At a rate that ten parts support."""
        change = {"augment": AugmentConfig.from_text(self.augment), "min_bank_vectors": self.floor}
        return DetectorConfig(target_false_reject=0.1).changed(change)

    def __str__(self) -> str:
        floor = "" if self.floor == Setting.floor else f"--min-bank-vectors {self.floor}"
        return " ".join(filter(None, (self.augment and f"--augment {self.augment}", floor))) or "default"


SETTINGS = (
    Setting(floor=0),
    Setting(),
    Setting("quarter-turns"),
    Setting("flips,quarter-turns"),
    Setting("rotation=15,shift=0.05,light=0.1"),
)

Found = dict[Setting, tuple[int, float, float]]
"""Of each setting: vectors of its bank, image AUROC by patches and by maps."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--only", default="", help="only sets whose name contains this; the page stays as it is"
    )
    parser.add_argument("--toy", action="store_true", help="a few tests of one cut; the page stays as it is")
    arguments = parser.parse_args()
    seeds, few = (SEEDS[:1], Few(parts=10, tests=3)) if arguments.toy else (SEEDS, FEW)
    backbone, found = in_float32(BACKBONE), dict[str, list[Found]]()
    for dataset in (d for d in sets() if arguments.only in d.name):
        of_set = found.setdefault(dataset.name, [])
        for seed in seeds:
            of_set.append(_of_cut(cut(dataset, seed, few), backbone))
            print(
                dataset.name,
                seed,
                *(f"{s}: {v[1]:.3f} {v[2]:.3f}" for s, v in of_set[-1].items()),
                sep=" | ",
                flush=True,
            )
    text = f"{table(HEAD, list(_rows(found)))}\n\nMachine: {machine()}. Command: `python -m bench.few`."
    print(text)
    if not (arguments.only or arguments.toy):
        replace_section("few", text, ACCURACY)


def sets() -> list[Path]:
    """Those at hand."""
    shared = [SHARED / "data" / name for name in ("hazelnut256", "toys")]
    return [*(dataset for dataset in shared if dataset.is_dir()), write_elpv(WORK / "elpv-mono")]


def cut(dataset: Path, seed: int, few: Few) -> Path:
    """Few photographs of a cut of ``bench.accuracy``, and some of its tests."""
    out = WORK / f"{dataset.name}-{few.parts}-{few.tests}-{seed}"
    return write_apart(dataset, out, seed, OTHERWISE, few)


def _of_cut(split: Path, backbone: Backbone) -> Found:
    """Every setting's bank over the same tests."""
    dataset = MvtecDataset(split)
    banks = {setting: _learned(dataset.train_images(), setting.config, backbone) for setting in SETTINGS}
    tests = dataset.test_images()
    scores = np.array([_scores(test.path, list(banks.values()), backbone) for test in tests], np.float32)
    defective = np.array([test.defective for test in tests])
    return {
        setting: (len(bank.vectors), auroc(scores[:, i, 0], defective), auroc(scores[:, i, 1], defective))
        for i, (setting, bank) in enumerate(banks.items())
    }


def _learned(paths: Sequence[Path], config: DetectorConfig, backbone: Backbone) -> Bank:
    files = image_files(paths, [path.name for path in paths], config.input)
    return learn(files, backbone, config, Hooks(), groups=by_photograph(len(paths))).bank


def _scores(path: Path, banks: Sequence[Bank], backbone: Backbone) -> list[tuple[float, float]]:
    """Of one image by each bank, whose features are the same: by patches and by the map."""
    config, spec = banks[0].config, backbone.spec
    image = read_photograph(path, config.input)
    if isinstance(image, ImageRefused):
        raise image
    x = to_tensor(image.pixels, config.input, spec.mean, spec.std)[None]
    maps, inputs = backbone(x), (x.shape[2], x.shape[3])
    found = [detect(x, lambda _: maps, bank) for bank in banks]
    return [
        (float(each.scores[0]), float(map_scores(each.distances, each.grid, inputs, config.sigma)[0]))
        for each in found
    ]


def _rows(found: dict[str, list[Found]]) -> Iterator[tuple[str, ...]]:
    """A row for each set and setting, then the means of all sets."""
    for name, seeds in found.items():
        for setting in SETTINGS:
            vectors, *columns = zip(*(each[setting] for each in seeds), strict=True)
            yield _row(name, setting, f"{mean(vectors):,.0f}", [over_seeds(c, "{:.3f}", "") for c in columns])
    for setting in SETTINGS:
        each = [[mean(seed[setting][i] for seed in seeds) for seeds in found.values()] for i in (1, 2)]
        yield _row("mean", setting, "", [f"{mean(of_sets):.3f}" for of_sets in each])


def _row(name: str, setting: Setting, vectors: str, columns: Sequence[str]) -> tuple[str, ...]:
    shown = str(setting) if str(setting) == "default" else f"`{setting}`"
    return name, shown, f"{setting.config.augment.views}", vectors, *columns


if __name__ == "__main__":
    main()
