"""What are registration, copies, masks and places worth, where parts arrive turned, dirty or covered?

``python -m bench.placement`` makes copies of real sets: every photograph on a larger ground of its border's colour,
turned by up to 15 degrees or any angle; test photographs with dirt beside the part; good ones with a place covered by
another of the same part or by the ground, without a part at all, or with the whole part out of place. Each is learned
and judged with and without the remedy, on three cuts. It prints a table and writes it to docs/accuracy.md; ``--only
SET`` prints some rows and leaves the page alone.
"""

from __future__ import annotations

import argparse
import shutil
import time
from collections.abc import Callable
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
from bench.accuracy import OTHERWISE, SEEDS, in_float32, over_seeds
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
LARGE = 2048, 1536  # pixels of a large photograph, whose fit is timed too
BAND = 0.1  # share of the height, above and below, where dirt lies
HEAD = (
    "set",
    "parts",
    "remedy",
    "image AUROC",
    "good rejected at 5 %",
    "found at 5 %",
    "located",
    f"ms of a fit, and at {LARGE[0]} x {LARGE[1]}",
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


def grounded(image: Image.Image, rng: Rng) -> Image.Image:
    """A place of the part covered by the ground that every photograph shows around it."""
    w, h = image.size
    side = round(0.35 * min(w, h))
    place = tuple(round(rng.uniform(0.3, 0.7 - side / length) * length) for length in (w, h))
    soft = Image.new("L", (side, side), 0)
    ImageDraw.Draw(soft).ellipse([2, 2, side - 2, side - 2], fill=255)
    found = image.copy()
    ground = Image.new("RGB", (side, side), _ground(image))
    found.paste(ground, place, soft.filter(ImageFilter.GaussianBlur(2)))
    return found


def emptied(image: Image.Image, rng: Rng) -> Image.Image:
    """The ground without the part: every patch of it is good at the border."""
    return Image.new("RGB", image.size, _ground(image))


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
    Way("covered by the ground", {NONE: {}, "`--position 2`": {"position": 2.0}}, bad=grounded),
    Way("no part there", {NONE: {}, "`--position 2`": {"position": 2.0}}, bad=emptied),
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
    seeds = SEEDS[:1] if arguments.toy else SEEDS
    backbone, rows = in_float32(BACKBONE), list[tuple[str, ...]]()
    for dataset in (d for d in sets() if arguments.only in d.name):
        cuts = [
            write_apart(
                dataset, WORK / f"{dataset.name}-placed-{seed}-{few.parts}-{few.tests}", seed, OTHERWISE, few
            )
            for seed in seeds
        ]
        for way in WAYS:
            made = [
                write_way(cut, cut.with_name(f"{cut.name}-{way.name.replace(' ', '-')}"), way) for cut in cuts
            ]
            for remedy, change in way.remedies.items():
                tried = [_tried(MvtecDataset(each), change, backbone, arguments.toy) for each in made]
                rows.append((dataset.name, way.name, remedy, *_told(tried)))
                print(" | ".join(rows[-1]), flush=True)
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


@dataclass(frozen=True)
class Tried:
    """One cut with one remedy. located: share of good tests. fit, large: ms of processor time; None unregistered."""

    auroc: float
    rejected: float | None
    found: float | None
    located: float | None = None
    fit: float | None = None
    large: float | None = None


def _tried(
    dataset: MvtecDataset, change: dict[str, object], backbone: Backbone, toy: bool
) -> Tried | RegistrationError:
    config = DetectorConfig(target_false_reject=RATE).changed(change)
    if toy:
        config = replace(config, input=replace(config.input, size=64))
    paths = dataset.train_images()
    files = image_files(paths, [path.name for path in paths], config.input)
    try:
        bank = learn(files, backbone, config, Hooks(any_rate=True), groups=by_photograph(len(paths))).bank
    except RegistrationError as error:
        return error
    engine = Engine(backbone, bank)
    found = evaluate(engine, dataset.test_images(), (RATE,))
    at = found.at_rates[0]
    rejected, caught = (rate.value if rate else None for rate in (at.false_reject, at.detection))
    return Tried(found.image_auroc, rejected, caught, *_fits(engine, dataset))


def _told(tried: list[Tried | RegistrationError]) -> tuple[str, ...]:
    """A row's cells; where one cut is refused, only that."""
    cuts = [each for each in tried if isinstance(each, Tried)]
    if len(cuts) < len(tried):
        refused = [each.received.partition(":")[0] for each in tried if not isinstance(each, Tried)]
        return f"refused: {', '.join(refused)}", "", "", "", ""
    columns = zip(*((cut.auroc, cut.rejected, cut.found, cut.located) for cut in cuts), strict=True)
    forms = (("{:.3f}", ""), ("{:.1%}", "too few"), ("{:.1%}", "too few"), ("{:.0%}", ""))
    cells = [over_seeds(values, *form) for values, form in zip(columns, forms, strict=True)]
    times = [[ms for cut in cuts if (ms := getattr(cut, name)) is not None] for name in ("fit", "large")]
    return (*cells, ", ".join(f"{median(each):.0f}" for each in times if each))


def _fits(engine: Engine, dataset: MvtecDataset) -> tuple[float | None, float | None, float | None]:
    """The share of good test photographs that are located; ms of processor time of a fit, as taken and enlarged."""
    reference, config = engine.bank.reference, engine.bank.config
    if reference is None:
        return None, None, None
    taken, enlarged, located = list[float](), list[float](), list[bool]()
    for test in (each for each in dataset.test_images() if not each.defective):
        image = read_photograph(test.path, config.input)
        if isinstance(image, ImageRefused):
            raise image
        more = Image.fromarray(image.pixels).resize(LARGE, Image.Resampling.BICUBIC)
        for photograph, times in ((image, taken), (replace(image, pixels=np.asarray(more)), enlarged)):
            started = time.thread_time()
            found = locate(photograph, reference, config.registration, config.input.mask)
            times.append(1e3 * (time.thread_time() - started))
            if photograph is image:
                located.append(found.located)
    return float(np.mean(located)), median(taken), median(enlarged)


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
