"""A list of image files -> a bank: decoding runs one image ahead of the backbone."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from app.errors import ImageRefused
from app.imaging.decode import DEFAULT_LIMITS, ImageLimits
from app.imaging.folders import read_photograph
from core.bank import BackboneRef, Bank
from core.build import Build, BuildLimits, Progress, Say
from core.config import DetectorConfig, InputConfig
from core.errors import BankError, TooFewImages
from core.input.photograph import Photograph
from core.judging.calibration import conformal_rank
from models.backbone import Backbone

READ_AHEAD = 2  # images decoded ahead; the build keeps inputs, which are smaller, ahead of its backbone


@dataclass(frozen=True, eq=False)
class BuiltBank:
    """A bank and the images that could not be read: (name, reason), empty unless skipping was asked for."""

    bank: Bank
    skipped: tuple[tuple[str, str], ...]


def backbone_ref(backbone: Backbone) -> BackboneRef:
    """What a bank records of the backbone that built it."""
    spec = backbone.spec
    return BackboneRef(
        name=spec.name,
        layers=spec.layers,
        channels=spec.channels,
        digest=backbone.digest,
        runtime=backbone.runtime,
        precision=backbone.precision,
        mean=spec.mean,
        std=spec.std,
    )


def check_supported(count: int, config: DetectorConfig) -> None:
    """Refuse before any work what ``count`` images cannot give. Raises TooFewImages, TooFewNominalImages."""
    if count < 2:
        raise TooFewImages(
            requirement="a bank needs at least two nominal images",
            received=str(count) if count else "none",
            remedy="collect more photographs of good parts; a hundred support a false-reject rate of 1 %",
        )
    conformal_rank(count, config.target_false_reject)
    if config.target_review is not None:
        conformal_rank(count, config.target_review)


def check_target(path: Path) -> None:
    """Refuse before any work a place where the bank cannot be written after it. Raises BankError."""
    received = "a folder or device" if path.exists() and not path.is_file() else None
    if received is None:
        try:
            with tempfile.TemporaryFile(dir=path.parent):
                return
        except OSError as error:
            received = error.strerror or str(error)
    raise BankError(
        requirement="a bank must be written to a file in a folder that exists and may be written",
        received=f"{received} for {str(path)!a}",
        remedy="choose another place",
    )


def build_bank(
    paths: Sequence[Path],
    names: Sequence[str],
    backbone: Backbone,
    config: DetectorConfig,
    limits: BuildLimits | None = None,
    skip_bad: bool = False,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
    say: Say | None = None,
    image_limits: ImageLimits = DEFAULT_LIMITS,
) -> BuiltBank:
    """Build a bank from image files, recorded under ``names``. An unreadable file is refused, or named and skipped.

    say: told of each skipped file, and of what the build takes. Raises ImageRefused,
    TooFewImages, TooFewNominalImages, MemoryBudgetError, Cancelled.
    """
    check_supported(len(paths), config)
    skipped: list[tuple[str, str]] = []

    def skip(name: str, reason: ImageRefused) -> None:
        if not skip_bad:
            raise reason
        skipped.append((name, str(reason)))
        (say or (lambda sentence: None))(f"Skipped {name}: {reason}")
        check_supported(len(paths) - len(skipped), config)

    build = Build(
        backbone, backbone_ref(backbone), config, limits, progress, cancelled, say, backbone.spec.offset
    )
    with closing(_readable(paths, names, config.input, skip, image_limits)) as images:
        bank = build.run(images, len(paths))
    return BuiltBank(bank, tuple(skipped))


def _readable(
    paths: Sequence[Path],
    names: Sequence[str],
    config: InputConfig,
    skip: Callable[[str, ImageRefused], None],
    limits: ImageLimits,
) -> Generator[tuple[str, Photograph], None, None]:
    for name, found in zip(names, _read_ahead(paths, config, limits), strict=True):
        if isinstance(found, ImageRefused):
            skip(name, found)
        else:
            yield name, found


def _read_ahead(
    paths: Sequence[Path], config: InputConfig, limits: ImageLimits
) -> Iterator[Photograph | ImageRefused]:
    """Decode in order, a few images ahead of the consumer, in one thread: the other cores belong to the backbone."""
    pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="decode")
    try:
        pending = [pool.submit(read_photograph, path, config, limits) for path in paths[:READ_AHEAD]]
        for position in range(len(paths)):
            if position + READ_AHEAD < len(paths):
                pending.append(pool.submit(read_photograph, paths[position + READ_AHEAD], config, limits))
            yield pending.pop(0).result()
    finally:
        pool.shutdown(cancel_futures=True)
