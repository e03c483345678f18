"""What was tried and what to take, as data and in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from core.advice.compare import LEVEL, Gain, Judged
from core.config import DetectorConfig
from core.declared import parts
from core.judging.calibration import percent


@dataclass(frozen=True, eq=False)
class Trial:
    """One setting as judged. ms: of one image, pixels to score, the fastest of a few; vectors, megabytes: of the bank
    that a build of the whole set would give; build_seconds: about, of reading all images. against: number of the trial
    that it was compared with, ``gain`` what it finds more than that one.
    """

    config: DetectorConfig
    backbone: str
    judged: Judged
    ms: float
    vectors: int
    megabytes: float
    build_seconds: float
    against: int | None = None
    gain: Gain | None = None


@dataclass(frozen=True)
class NotTried:
    """A setting, in words, and why it was not tried."""

    setting: str
    why: str


@dataclass(frozen=True, eq=False)
class Advice:
    """trials: in their order, the first with the settings that were given; taken: number of the one to take.

    images: of the set; used: nominal ones that were read; parts: that they show. labelled: defects are labelled images,
    not made. photograph: (height, width) of most. complete: False where it was stopped. cpu, plain: CPU seconds spent,
    and of a plain build, about; seconds: by the clock. left_aside: images that cannot be read, with the reason.
    """

    trials: Sequence[Trial]
    taken: int
    not_tried: Sequence[NotTried]
    images: int
    used: int
    parts: int
    labelled: bool
    photograph: tuple[int, int]
    complete: bool
    cpu: float
    plain: float
    seconds: float
    left_aside: Sequence[tuple[str, str]] = ()

    @property
    def change(self) -> dict[str, Any]:
        """What to lay over the settings that were given; empty where they are to be kept."""
        return difference(self.trials[0].config, self.trials[self.taken].config)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        base, best = self.trials[0], self.trials[self.taken]
        asked = base.config.target_false_reject
        return {
            "advice": self.sentence,
            "change": self.change,
            "options": options(base.config, best.config),
            "backbone": best.backbone,
            "taken": self.taken,
            "trials": [self._trial(number) for number in range(len(self.trials))],
            "not_tried": [{"setting": each.setting, "why": each.why} for each in self.not_tried],
            "says": self.says(),
            "rests_on": {
                "images": self.images,
                "used": self.used,
                "parts": self.parts,
                "defects": len(base.judged.defects),
                "labelled": self.labelled,
                "asked_false_reject": asked,
                "judged_at": base.judged.rate(asked),
                "height": self.photograph[0],
                "width": self.photograph[1],
            },
            "left_aside": [{"image": image, "reason": reason} for image, reason in self.left_aside],
            "complete": self.complete,
            "cpu_seconds": self.cpu,
            "plain_build_cpu_seconds": self.plain,
            "seconds": self.seconds,
        }

    @property
    def sentence(self) -> str:
        """What to take and why."""
        base, best = self.trials[0], self.trials[self.taken]
        if self.taken == 0:
            return "Keep the settings: nothing that was tried finds clearly more."
        old, new = (int(trial.judged.found(base.config.target_false_reject).sum()) for trial in (base, best))
        cost = (
            f"{best.ms:.0f} ms per image instead of {base.ms:.0f} and a bank of {best.megabytes:.1f} MB instead of "
            f"{base.megabytes:.1f}"
        )
        return (
            f"Take {words(base, best)}: {new} of {len(base.judged.defects)} {self._what} found instead of {old}, image "
            f"AUROC {best.judged.auroc:.3f} instead of {base.judged.auroc:.3f}, for {cost}."
        )

    def says(self) -> list[str]:
        """What the advice rests on, and what a person should know before following it."""
        base = self.trials[0].judged
        asked = self.trials[0].config.target_false_reject
        rate = base.rate(asked)
        found = [
            f"Judged with {self.used:,} of {self.images:,} nominal images, which show {self.parts:,} parts, each held "
            f"out of the bank that judges it, and {len(base.defects):,} {self._what}."
        ]
        if not self.labelled:
            found.append(
                "The defects are drawn by a program on photographs of good parts; real ones look otherwise. Give "
                "labelled images (--test) for advice that rests on them."
            )
        if rate > asked:
            found.append(
                f"So few parts support a false-reject rate of {percent(rate, 2)} at best, and it is judged at that; "
                f"{percent(asked)} was asked."
            )
        if base.clean.max() <= 0:
            found.append(
                "The held-out images are all alike, so that nothing can be learned of how good parts differ."
            )
        if not self.complete:
            found.append("Stopped early: this is what was known by then.")
        if len(self.trials) > 1:
            found.append(
                f"A setting is advised where the {100 * LEVEL:g} % interval of its gain, over parts drawn anew, "
                "is above 0."
            )
        return found

    @property
    def _what(self) -> str:
        return "labelled defective images" if self.labelled else "made defects"

    def _trial(self, number: int) -> dict[str, Any]:
        trial, base = self.trials[number], self.trials[0]
        asked = base.config.target_false_reject
        hits = trial.judged.found(asked)
        return {
            "setting": words(base, trial) or "as given",
            "change": difference(base.config, trial.config),
            "backbone": trial.backbone,
            "found": int(hits.sum()),
            "defects": len(hits),
            **trial.judged.tallies(asked),
            "image_auroc": trial.judged.auroc,
            "spread": trial.judged.spread,
            "threshold": trial.judged.threshold(asked),
            "ms_per_image": trial.ms,
            "bank_vectors": trial.vectors,
            "megabytes": trial.megabytes,
            "build_seconds": trial.build_seconds,
            "against": trial.against,
            "gain": None if trial.gain is None else trial.gain.to_json(),
        }


def difference(old: DetectorConfig, new: DetectorConfig) -> dict[str, Any]:
    """JSON that turns the settings ``old`` into ``new``."""
    found: dict[str, Any] = {}
    before = old.values()
    for one, value in new.values().items():
        if value != before[one]:
            place = found.setdefault(one.part, {}) if one.part else found
            place[one.name] = value
    return found


def options(old: DetectorConfig, new: DetectorConfig) -> list[str]:
    """Words of the command line that turn ``old`` into ``new``."""
    before, found = old.values(), list[str]()
    for one, value in new.values().items():
        if one.option and value != before[one]:
            found += [one.option, f"{value:g}" if isinstance(value, float) else str(value)]
    for name, part in parts(DetectorConfig).items():
        if part.option and getattr(old, name) != getattr(new, name):
            found += [part.option, getattr(new, name).text]
    return found


def words(base: Trial, trial: Trial) -> str:
    """How a trial differs from the first: ``size 512, score map``; empty for nothing."""
    said = options(base.config, trial.config)
    pairs = [f"{name.removeprefix('--')} {value}" for name, value in zip(said[::2], said[1::2], strict=True)]
    return ", ".join(pairs + [trial.backbone] * (trial.backbone != base.backbone))
