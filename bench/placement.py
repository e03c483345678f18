"""What are registration, copies, masks and places worth, where parts arrive turned, dirty or covered?

``python -m bench.placement`` makes copies of real sets: every photograph on a larger ground of its border's colour,
turned by up to 15 degrees or any angle; test photographs with dirt beside the part; good ones with a place covered by
another of the same part, or with the whole part out of place. Each is learned and judged with and without the remedy.
It prints a table and writes it to docs/accuracy.md; ``--only SET`` prints some rows and leaves the page alone.
"""

from __future__ import annotations

import argparse
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from app.errors import ImageRefused
from app.imaging.datasets import MvtecDataset
from app.imaging.folders import read_photograph
from app.insight.evaluate import evaluate
from app.inspection.engine import Engine
from app.learning.learn import Hooks, image_files, learn
from bench.accuracy import OTHERWISE, in_float32
from bench.datasets import Few, write_apart
from bench.few import BACKBONE, WORK, sets
from bench.tables import ACCURACY, machine, replace_section, table
from core.config import AugmentConfig, DetectorConfig
from core.errors import RegistrationError
from core.groups import by_photograph
from core.input.mask import mask_text
from core.registration import locate
from models.backbone import Backbone

RATE = 0.05
ROOM = 1.3  # sides of a photograph with its ground, against the longer side of the photograph
BAND = 0.1  # share of the height, above and below, where dirt lies
HEAD = (
    "set",
    "parts",
    "remedy",
    "image AUROC",
    "good rejected at 5 %",
    "found at 5 %",
    "located",
    "ms of a fit",
)

Rng = np.random.Generator
Change = Callable[[Image.Image, Rng], Image.Image]


@dataclass(frozen=True)
class Way:
    """How parts arrive. every: what happens to each photograph; tests: to each test; bad: makes defects of good tests,
    in place of the set's own. remedies: settings by the option's name."""

    name: str
    remedies: dict[str, dict[str, object]]
    every: Change = lambda image, rng: image
    tests: Change = lambda image, rng: image
    bad: Change | None = None


def turned(degrees: float) -> Change:
    """By up to so many degrees either way."""
    return lambda image, rng: image.rotate(
        rng.uniform(-degrees, degrees), Image.Resampling.BICUBIC, fillcolor=_ground(image)
    )


def dirtied(image: Image.Image, rng: Rng) -> Image.Image:
    """Dark blots in the bands above and below."""
    found = image.copy()
    pen = ImageDraw.Draw(found)
    w, h = image.size
    for _ in range(12):
        r, x = rng.uniform(0.01, 0.03) * h, rng.uniform(0, w)
        y = rng.uniform(r, BAND * h - r)
        y = y if rng.random() < 0.5 else h - y
        pen.ellipse([x - r, y - r, x + r, y + r], fill=tuple(rng.integers(0, 90, 3).tolist()))
    return found


def covered(image: Image.Image, rng: Rng) -> Image.Image:
    """A place in the middle half covered by another one, without an edge."""
    w, h = image.size
    side = round(0.16 * min(w, h))
    there = here = np.zeros(2)
    while np.abs(there - here).max() < 1.5 * side / w:
        there, here = (rng.uniform(0.25, 0.75 - side / w, 2) for _ in range(2))
    x, y = (round(share * length) for share, length in zip(there, (w, h), strict=True))
    soft = Image.new("L", (side, side), 0)
    ImageDraw.Draw(soft).ellipse([side // 8, side // 8, side - side // 8, side - side // 8], fill=255)
    found = image.copy()
    place = tuple(round(share * length) for share, length in zip(here, (w, h), strict=True))
    found.paste(
        image.crop((x, y, x + side, y + side)), place, soft.filter(ImageFilter.GaussianBlur(side / 16))
    )
    return found


def misplaced(image: Image.Image, rng: Rng) -> Image.Image:
    """The whole part out of place, on its ground: every patch of it is good somewhere."""
    reach, angle = 0.12 * image.width, rng.uniform(0, 2 * np.pi)
    found = Image.new("RGB", image.size, _ground(image))
    found.paste(image, (round(reach * np.cos(angle)), round(reach * np.sin(angle))))
    return found


def _middle() -> str:
    kept = np.zeros((100, 100), bool)
    kept[round(100 * BAND) + 1 : 99 - round(100 * BAND)] = True
    return mask_text(kept)


REGISTER: dict[str, object] = {"registration": {"on": True}}
NONE = "none"
WAYS = (
    Way("as taken", {NONE: {}, "`--register`": REGISTER}),
    Way(
        "turned by up to 15 degrees",
        {
            NONE: {},
            "`--augment rotation=15`": {"augment": AugmentConfig.from_text("rotation=15")},
            "`--register`": REGISTER,
        },
        turned(15),
    ),
    Way(
        "turned by any angle",
        {
            NONE: {},
            "`--augment rotation=180`": {"augment": AugmentConfig.from_text("rotation=180")},
            "`--register`": REGISTER,
        },
        turned(180),
    ),
    Way("dirt beside them", {NONE: {}, "`--mask`": {"input": {"mask": _middle()}}}, tests=dirtied),
    Way("a place covered", {NONE: {}, "`--position 2`": {"position": 2.0}}, bad=covered),
    Way("out of place", {NONE: {}, "`--position 2`": {"position": 2.0}}, bad=misplaced),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--only", default="", help="only sets whose name contains this; the page stays as it is"
    )
    parser.add_argument("--toy", action="store_true", help="a few photographs; the page stays as it is")
    arguments = parser.parse_args()
    few = Few(parts=20, tests=3) if arguments.toy else Few(parts=60, tests=40)
    backbone, rows = in_float32(BACKBONE), list[tuple[str, ...]]()
    for dataset in (d for d in sets() if arguments.only in d.name):
        cut = write_apart(dataset, WORK / f"{dataset.name}-placed-{few.parts}-{few.tests}", 0, OTHERWISE, few)
        for way in WAYS:
            made = write_way(cut, cut.with_name(f"{cut.name}-{way.name.replace(' ', '-')}"), way)
            for row in _judged(dataset.name, way, MvtecDataset(made), backbone, arguments.toy):
                rows.append(row)
                print(" | ".join(row), flush=True)
    text = f"{table(HEAD, rows)}\n\nMachine: {machine()}. Command: `python -m bench.placement`."
    print(text)
    if not (arguments.only or arguments.toy):
        replace_section("placement", text, ACCURACY)


def write_way(cut: Path, out: Path, way: Way) -> Path:
    """A cut's photographs as parts arrive this way, each by its own seed; nothing is done where they are there."""
    if out.is_dir():
        return out
    partial = out.with_name(out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    for i, path in enumerate(sorted((*cut.glob("train/*/*.*"), *cut.glob("test/*/*.*")))):
        side, kind = path.parent.parent.name, path.parent.name
        rng = np.random.default_rng([7, i])
        image = way.every(_on_ground(Image.open(path).convert("RGB")), rng)
        if side == "test":
            image = way.tests(image, rng)
        if way.bad is not None and side == "test":
            if kind == "good":
                _save(way.bad(image, rng), partial / "test" / "changed" / path.name)
            else:
                continue
        _save(image, partial / side / kind / path.name)
    partial.replace(out)
    return out


def _judged(
    name: str, way: Way, dataset: MvtecDataset, backbone: Backbone, toy: bool
) -> Iterator[tuple[str, ...]]:
    for remedy, change in way.remedies.items():
        config = DetectorConfig(target_false_reject=RATE).changed(change)
        if toy:
            config = replace(config, input=replace(config.input, size=64))
        paths = dataset.train_images()
        files = image_files(paths, [path.name for path in paths], config.input)
        try:
            bank = learn(files, backbone, config, Hooks(any_rate=True), groups=by_photograph(len(paths))).bank
        except RegistrationError as error:
            yield name, way.name, remedy, f"refused: {error.received.partition(':')[0]}", "", "", "", ""
            continue
        engine = Engine(backbone, bank)
        found = evaluate(engine, dataset.test_images(), (RATE,))
        at = found.at_rates[0]
        rates = [f"{rate.value:.1%}" if rate else "too few" for rate in (at.false_reject, at.detection)]
        yield name, way.name, remedy, f"{found.image_auroc:.3f}", *rates, *_fits(engine, dataset)


def _fits(engine: Engine, dataset: MvtecDataset) -> tuple[str, str]:
    """The share of good test photographs that are located, and the milliseconds of processor time of a fit."""
    reference, config = engine.bank.reference, engine.bank.config
    if reference is None:
        return "", ""
    took, located = list[float](), list[bool]()
    for test in (each for each in dataset.test_images() if not each.defective):
        image = read_photograph(test.path, config.input)
        if isinstance(image, ImageRefused):
            raise image
        started = time.thread_time()
        located.append(locate(image, reference, config.registration, config.input.mask).located)
        took.append(1e3 * (time.thread_time() - started))
    return f"{np.mean(located):.0%}", f"{median(took):.0f}"


def _on_ground(image: Image.Image) -> Image.Image:
    side = round(ROOM * max(image.size))
    found = Image.new("RGB", (side, side), _ground(image))
    found.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return found


def _ground(image: Image.Image) -> tuple[int, ...]:
    """The median colour of the border."""
    pixels = np.asarray(image)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    return tuple(np.median(border, axis=0).astype(int).tolist())


def _save(image: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path.with_suffix(".png"), compress_level=1)


if __name__ == "__main__":
    main()
