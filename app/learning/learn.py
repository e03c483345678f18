"""Nominal images -> a bank: the one path of builds, whoever asks for them, with reading ahead of the backbone."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from app.errors import ImageRefused
from app.imaging.decode import DEFAULT_LIMITS, ImageLimits
from app.imaging.folders import read_photograph
from app.inspection.backbones import backbone_ref
from app.learning.likeness import Likeness
from app.learning.registering import Named as Named
from app.learning.registering import Registering
from core.bank import Bank
from core.build import Build, BuildLimits, Progress, Say, stopped, too_few
from core.config import DetectorConfig, InputConfig
from core.detector import map_threshold_of, thresholds_of
from core.errors import BankError
from core.groups import Described, Describer, Groups, by_likeness, by_photograph, numbered, require_several
from core.input.mask import check_aspect
from core.input.photograph import Photograph
from core.input.views import View
from core.judging.calibration import conformal_rank, supported_rate
from core.judging.conformal import check_parts, promise_over_parts
from core.judging.groups import group_sizes
from core.registration import Reference
from models.backbone import Backbone


@dataclass(frozen=True)
class Hooks:
    """How a build reports and is stopped (see ``core.build.Build``), and what becomes of an unreadable image.

    skip_bad: it is named by ``say`` and left out; otherwise it ends the build. any_rate: rates that the parts do not
    support are left for the caller to lower.
    """

    progress: Progress | None = None
    cancelled: Callable[[], bool] | None = None
    say: Say = lambda sentence: None
    skip_bad: bool = False
    any_rate: bool = False


@dataclass(frozen=True, eq=False)
class BuiltBank:
    """A bank, the images that could not be read and what groups were found by.

    skipped: (name, reason), empty unless skipping was asked for. notices: what a person should know of the photographs.
    described: None where the groups were given.
    """

    bank: Bank
    skipped: tuple[tuple[str, str], ...]
    notices: tuple[str, ...] = ()
    described: Described | None = None


def check_supported(count: int, config: DetectorConfig) -> None:
    """Refuse before any work what ``count`` images cannot give. Raises TooFewImages, TooFewNominalImages."""
    if count < 2:
        raise too_few(count)
    conformal_rank(count, config.target_false_reject)
    if config.target_review is not None:
        conformal_rank(count, config.target_review)


def check_groups(groups: Groups, config: DetectorConfig) -> Groups:
    """The groups, unless there are too few to hold one out or for the rates. Raises OneGroup, TooFewNominalImages."""
    require_several(groups)
    for rate in (config.target_false_reject, config.target_review):
        if rate is not None:
            check_parts(groups.count, groups.images, rate)
    return groups


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


def learn(
    images: Sequence[Named],
    backbone: Backbone,
    config: DetectorConfig,
    hooks: Hooks | None = None,
    limits: BuildLimits | None = None,
    groups: Groups | None = None,
) -> BuiltBank:
    """Build a bank from nominal images, in their order.

    groups: which of ``images`` show one part; None finds them among near-duplicates. Raises TooFewImages,
    TooFewNominalImages, OneGroup, RegistrationError, MemoryBudgetError, Cancelled, and what reading an image raises: an
    ImageRefused unless such images are skipped.
    """
    hooks = hooks or Hooks()
    check_supported(len(images), config)
    if groups is not None:
        checked_groups(groups, config, hooks)
    registering = Registering.over(images, config, backbone.spec.mean)
    describer = Describer(config.seed) if groups is None else None
    kept: list[int] = []
    skipped: list[tuple[str, str]] = []
    notices: list[str] = []
    likeness = Likeness()

    def notice(sentence: str) -> None:
        notices.append(sentence)
        hooks.say(sentence)

    def readable() -> Iterator[tuple[str, View]]:
        with closing(registering.seen(images)) as found:
            for i, (name, view, lost) in enumerate(found):
                if isinstance(view, ImageRefused):
                    skip(name, view)
                elif lost is not None:
                    leave_out(name, lost)
                else:
                    if registering.reference is None:
                        check_aspect(config.input.mask, *view.photograph.shape, name)
                    kept.append(i)
                    likeness.add(name, view.photograph)
                    yield name, view

    def skip(name: str, reason: ImageRefused) -> None:
        if not hooks.skip_bad:
            raise reason
        leave_out(name, str(reason))

    def leave_out(name: str, reason: str) -> None:
        skipped.append((name, reason))
        hooks.say(f"Skipped {name}: {reason}")
        if not hooks.any_rate:
            check_supported(len(images) - len(skipped), config)

    def parts() -> Groups:
        found = _found(describer, config, hooks) if groups is None else regrouped(groups, kept)
        noticed = (registering.notice(len(images)), *likeness.notices(), likeness.detail(config.input.size))
        for sentence in filter(None, noticed):
            notice(sentence)
        for sentence in found.notices():
            notice(f"{sentence[0].upper()}{sentence[1:]}.")
        return checked_groups(found, config, hooks)

    build = build_with(backbone, config, hooks, limits, hooks.say, registering.reference)
    bank = build.run(readable(), len(images), parts, describer)
    if not bank.coreset.exact:
        notice(
            "The memory could not follow all patches, so they were reduced in blocks first: thresholds may be some per "
            f"cent higher than of an exact build. No patch lies farther than {bank.coreset.radius_bound:.4g} from the "
            "bank. Raise NOMINAL_BUILD_MEMORY_BYTES, or build on a cluster."
        )
    return BuiltBank(
        bank, tuple(skipped), tuple(notices), None if describer is None else describer.described()
    )


def build_with(
    backbone: Backbone,
    config: DetectorConfig,
    hooks: Hooks,
    limits: BuildLimits | None,
    say: Say | None = None,
    reference: Reference | None = None,
) -> Build:
    """A build by a loaded backbone. say: told what memory and disk it takes. reference: what parts are brought onto."""
    ref, offset = backbone_ref(backbone), backbone.spec.offset
    return Build(
        backbone, ref, config, limits, hooks.progress, hooks.cancelled, say, offset, reference=reference
    )


def _found(describer: Describer | None, config: DetectorConfig, hooks: Hooks) -> Groups:
    """Groups of images that resemble each other."""

    def check() -> None:
        if hooks.cancelled and hooks.cancelled():
            raise stopped("calibration")

    assert describer is not None
    return by_likeness(describer.described(), config.seed, check)


def regrouped(groups: Groups, kept: Sequence[int]) -> Groups:
    """Those of some images only, such as those that could be read."""
    return (
        groups
        if len(kept) == groups.images
        else Groups(numbered(groups.labels[list(kept)].tolist()), groups.source)
    )


def checked_groups(groups: Groups, config: DetectorConfig, hooks: Hooks) -> Groups:
    """The groups, unless a build cannot have them. Raises OneGroup, TooFewNominalImages unless any rate will do."""
    return require_several(groups) if hooks.any_rate else check_groups(groups, config)


def image_files(
    paths: Sequence[Path], names: Sequence[str], config: InputConfig, limits: ImageLimits = DEFAULT_LIMITS
) -> list[Named]:
    """Image files under these names, as an input of ``config`` takes them."""
    return [(name, partial(_file, path, config, limits)) for name, path in zip(names, paths, strict=True)]


def _file(path: Path, config: InputConfig, limits: ImageLimits) -> Photograph:
    found = read_photograph(path, config, limits)
    if isinstance(found, ImageRefused):
        raise found
    return found


def groups_of(bank: Bank) -> Groups:
    """Which of a bank's images show one part."""
    if bank.groups is None:
        return by_photograph(len(bank.provenance.images))
    return Groups(bank.groups, bank.grouped_by or "parts")


def parts_of(bank: Bank) -> str:
    """How many parts its images show, and what rate they support, as a sentence."""
    if bank.calibrated is None:
        return f"{groups_of(bank)}."
    scored = len(group_sizes(bank.calibration_groups))
    return (
        f"{groups_of(bank)}. Of them a sample of {len(bank.calibrated):,} photographs of {scored:,} parts was scored; "
        f"it supports a rate of {100 * supported_rate(scored):.2g} % at best."
    )


def summary_of(bank: Bank) -> dict[str, Any]:
    """As plain JSON. Raises TooFewNominalImages where the bank does not support its own rates."""
    thresholds, groups = thresholds_of(bank), bank.calibration_groups
    m, d = bank.vectors.shape
    reference = bank.reference
    found_by = None if reference is None else {"method": reference.method, "reference": reference.name}
    return {
        "images": len(bank.provenance.images),
        "parts": groups_of(bank).count,
        "vectors": m,
        "dimension": d,
        "source_patches": bank.coreset.source_patches,
        "covering_radius": bank.coreset.covering_radius,
        "index_recall": float(bank.index.recall),
        "backbone": bank.backbone.name,
        "weights": bank.backbone.digest,
        "runtime": bank.backbone.runtime,
        "precision": bank.backbone.precision,
        "review_threshold": thresholds.review,
        "reject_threshold": thresholds.reject,
        "map_threshold": map_threshold_of(bank),
        "supported_false_reject": supported_rate(len(group_sizes(groups))),
        "promise": promise_over_parts(bank.calibration_scores, groups, bank.config.target_false_reject).text,
        "config": bank.config.to_json(),
        **({} if found_by is None else {"registered": found_by}),
    }
