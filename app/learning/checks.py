"""Check sets as people give and ask for them: labelled images in, a check started, an image looked at."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial

from app.errors import BankWithoutVersion, LabelMissing
from app.imaging.datasets import GOOD, GOOD_FOLDERS, class_of, not_to_test
from app.inspection.viewing import small
from app.learning.banks import significant_bits
from app.learning.jobs import queue
from app.learning.supervisor import Learning
from app.store.checks import NewLabelled, label_conflict
from app.store.errors import CheckSetFull, LabelConflict
from app.store.ids import check_slug, shown
from app.store.images import Added, NewImage
from app.store.reviews import LONGEST_KIND
from app.store.schema import CheckImage, Job
from app.store.store import Store
from core.errors import TooFewImages


def check_kind(text: str) -> str:
    """The kind that people mean: ``good`` by any of its names, or a defect. Raises LabelMissing."""
    kind = unicodedata.normalize("NFC", text).strip()
    if not 0 < len(kind) <= LONGEST_KIND or any(unicodedata.category(c)[0] == "C" for c in kind):
        raise LabelMissing(
            requirement=f"a kind has 1 to {LONGEST_KIND} characters, none of them a control character",
            received=f"{len(kind)} characters, {shown(kind)}",
            remedy="Say good, or name the defect.",
        )
    return GOOD if kind.lower() in GOOD_FOLDERS else kind


@dataclass
class CheckShelf:
    """A check set, as the shelf that an actor puts images on. kind: of all; None goes by each one's folder."""

    store: Store
    bank: str
    name: str
    actor: str
    kind: str | None = None
    _coming: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raises IllegalId, LabelMissing."""
        check_slug(self.name)
        self.kind = None if self.kind is None else check_kind(self.kind)

    def aside(self, name: str) -> str | None:
        return not_to_test(name) if self.kind is None else None

    def find(self, name: str, sha256: str) -> CheckImage | None:
        """Raises LabelMissing, LabelConflict."""
        kind = self.kind_of(name)
        known = self.store.checks.find(self.bank, self.name, sha256)
        before = self._coming.setdefault(sha256, kind) if known is None else known.kind
        if before != kind:
            raise label_conflict(name, before, kind)
        return known

    def add(self, images: Sequence[NewImage]) -> list[Added | LabelConflict | CheckSetFull]:
        labelled = [NewLabelled(**asdict(image), kind=self.kind_of(image.name)) for image in images]
        return self.store.checks.add(self.bank, self.name, labelled, actor=self.actor)

    def say_serials(self, serials: Mapping[str, str]) -> None:
        self.store.checks.say_serials(self.bank, self.name, serials, actor=self.actor)

    def kind_of(self, name: str) -> str:
        """What an image shows, as it was said or by its folder. Raises LabelMissing."""
        kind = self.kind or class_of(name)
        if kind is not None:
            return check_kind(kind)
        raise LabelMissing(
            requirement="an image to check by is in a folder that says what it shows: good, or a kind of defect",
            received=shown(name),
            remedy="Put it into such a folder, or say with the upload what all its images show.",
        )


def start(learning: Learning, bank: str, name: str, version: int | None, actor: str) -> Job:
    """A queued check of a version, the newest unless one is named, by a set as it is now.

    Raises NotFound, TooFewImages for an empty set, BankWithoutVersion, BuildAlreadyRunning while the bank is checked.
    """
    learning.life.refuse_draining()
    store = learning.store
    if store.checks.get(bank, name).images == 0:
        raise TooFewImages(
            requirement="a check needs at least one image",
            received=f"the set {name} with none",
            remedy="Send good images, defective ones, or both.",
        )
    number = _newest(store, bank) if version is None else store.versions.get(bank, version).number
    return queue(learning, bank, "check", {"check": name, "version": number}, actor)


def _newest(store: Store, bank: str) -> int:
    versions = store.versions.all(bank)
    if versions:
        return versions[0].number
    raise BankWithoutVersion(
        requirement="a check needs a version to try",
        received=f"the bank {bank}, which has none",
        remedy="Build it.",
    )


def newest_job(learning: Learning, bank: str, name: str) -> Job | None:
    """The newest check by a set, whichever version it tries."""
    jobs = learning.store.jobs.page(bank=bank, kind="check", limit=100).items
    return next((job for job in jobs if job.request["check"] == name), None)


def read_image(learning: Learning, bank: str, name: str, sha256: str) -> bytes:
    """An image as it was received. Raises NotFound, BlobMissing."""
    return learning.store.blobs.read(learning.store.checks.image(bank, name, sha256).sha256)


async def small_image(learning: Learning, bank: str, name: str, sha256: str, side: int) -> bytes:
    """A JPEG of at most ``side`` pixels each way, 1,024 at most. Raises NotFound, BlobMissing, MemoryFull."""
    background = learning.pools.background
    await background(partial(learning.store.checks.image, bank, name, sha256))
    bits = await background(partial(significant_bits, learning, bank))
    read = partial(read_image, learning, bank, name, sha256)
    return await small(learning.inspecting, bank, sha256, read, side, bits)
