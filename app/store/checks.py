"""Check sets of a bank: labelled images by sha256, and for each version what it scored on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TypeVar

from sqlalchemy import delete, exists, func, select
from sqlalchemy.orm import Session

from app.store.audit import record
from app.store.banks import found, held
from app.store.blobs import touch
from app.store.database import Database, present
from app.store.errors import CheckSetFull, LabelConflict
from app.store.ids import Clock, check_slug, shown
from app.store.images import BATCH, Added, NewImage, agreed
from app.store.schema import Bank, CheckImage, CheckRun, CheckSet, Job, Version

MOST_IMAGES = 5_000  # of a check set
MOST_SETS = 20  # of a bank
V = TypeVar("V")


@dataclass(frozen=True)
class NewLabelled(NewImage):
    """kind: ``good``, or the defect that it shows."""

    kind: str = ""


@dataclass(frozen=True)
class CheckTotals:
    """A check set at a glance. kinds: images of each kind."""

    name: str
    created_at: datetime
    images: int
    bytes: int
    kinds: Mapping[str, int]


class Checks:
    """Every method is one transaction, durable once it returns."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    def add(
        self, bank: str, name: str, images: Sequence[NewLabelled], *, actor: str
    ) -> list[Added | LabelConflict | CheckSetFull]:
        """What becomes of each, in the order given; the first makes the set. Raises ``NotFound`` for the bank,
        ``IllegalId``, ``CheckSetFull`` where the bank may have no further set."""
        with self._database.write() as session:
            held(session, bank)
            self._have(session, bank, name, actor)
            session.get(CheckSet, (bank, name), with_for_update=True)  # one upload after the other
            known = _kinds(session, bank, name, [image.sha256 for image in images])
            room = MOST_IMAGES - _count(session, bank, name)
            answers: list[Added | LabelConflict | CheckSetFull] = []
            for image in images:
                kind = known.get(image.sha256)
                if kind is not None:
                    same = kind == image.kind
                    answers.append("duplicate" if same else label_conflict(image.name, kind, image.kind))
                elif room < 1:
                    answers.append(_full(MOST_IMAGES, "images in a check set"))
                else:
                    known[image.sha256], room = image.kind, room - 1
                    values = {"bank": bank, "check_set": name, "added_at": self._clock.now()}
                    session.add(CheckImage(**asdict(image) | values))
                    answers.append("accepted")
            count = answers.count("accepted")
            record(session, self._clock, actor, "check.upload", f"bank:{bank}", check=name, accepted=count)
        return answers

    def all(self, bank: str) -> list[CheckTotals]:
        """The check sets of a bank by name. Raises ``NotFound`` for the bank."""
        with self._database.read() as session:
            found(session.get(Bank, bank), bank)
            return _totals(session, bank)

    def get(self, bank: str, name: str) -> CheckTotals:
        """Raises ``NotFound``."""
        of_name = [each for each in self.all(bank) if each.name == name]
        return set_found(of_name[0] if of_name else None, bank, name)

    def images(self, bank: str, name: str) -> list[CheckImage]:
        """All of them, good ones first, then by kind and name. Raises ``NotFound``."""
        query = select(CheckImage).where(CheckImage.bank == bank, CheckImage.check_set == name)
        with self._database.read() as session:
            set_found(session.get(CheckSet, (bank, name)), bank, name)
            order = (CheckImage.kind != "good", CheckImage.kind, CheckImage.name, CheckImage.sha256)
            return [*session.scalars(query.order_by(*order))]

    def find(self, bank: str, name: str, sha256: str) -> CheckImage | None:
        """The image, if it is in the set."""
        with self._database.read() as session:
            return session.get(CheckImage, (bank, name, sha256))

    def image(self, bank: str, name: str, sha256: str) -> CheckImage:
        """Raises ``NotFound``."""
        return _image_found(self.find(bank, name, sha256), sha256)

    def say_serials(self, bank: str, name: str, serials: Mapping[str, str], *, actor: str) -> None:
        """Give images, by sha256, the serial number of their part. Raises ``SerialConflict``."""
        with self._database.write() as session:
            for sha256 in sorted(serials):
                image = session.get(CheckImage, (bank, name, sha256), with_for_update=True)
                if image is not None:
                    image.serial = agreed(image, serials[sha256])
            record(session, self._clock, actor, "check.serial", f"bank:{bank}", check=name)

    def remove_image(self, bank: str, name: str, sha256: str, *, actor: str) -> None:
        """Raises ``NotFound``."""
        with self._database.write() as session:
            image = session.get(CheckImage, (bank, name, sha256), with_for_update=True)
            session.delete(_image_found(image, sha256))
            touch(session, self._clock, sha256)
            record(
                session, self._clock, actor, "check.image_delete", f"bank:{bank}", check=name, sha256=sha256
            )

    def remove(self, bank: str, name: str, *, actor: str) -> None:
        """A set with its images and what versions scored on it. Raises ``NotFound``."""
        with self._database.write() as session:
            row = set_found(session.get(CheckSet, (bank, name), with_for_update=True), bank, name)
            for table in (CheckImage, CheckRun):
                of_set = (table.bank == bank, table.check_set == name)
                blobs = session.scalars(delete(table).where(*of_set).returning(table.sha256)).all()
                for start in range(0, len(blobs), BATCH):
                    touch(session, self._clock, *blobs[start : start + BATCH])
            session.delete(row)
            record(session, self._clock, actor, "check.delete", f"bank:{bank}", check=name)

    def runs(self, bank: str, name: str) -> list[tuple[CheckRun, Version]]:
        """What versions scored on a set, the newest version first. Raises ``NotFound``."""
        of_run = (Version.bank == CheckRun.bank) & (Version.number == CheckRun.version)
        query = select(CheckRun, Version).join(Version, of_run)
        query = query.where(CheckRun.bank == bank, CheckRun.check_set == name)
        with self._database.read() as session:
            set_found(session.get(CheckSet, (bank, name)), bank, name)
            return [
                (run, version) for run, version in session.execute(query.order_by(CheckRun.version.desc()))
            ]

    def owed(self, bank: str) -> tuple[str, int] | None:
        """A set with images that the newest version has not been tried on, and that version's number."""
        with self._database.read() as session:
            number = session.scalar(select(func.max(Version.number)).where(Version.bank == bank))
            if number is None:
                return None
            of_set = (CheckImage.bank == CheckSet.bank) & (CheckImage.check_set == CheckSet.name)
            tried = (CheckRun.bank == CheckSet.bank) & (CheckRun.check_set == CheckSet.name)
            query = select(CheckSet.name).where(
                CheckSet.bank == bank,
                exists().where(of_set),
                ~exists().where(tried, CheckRun.version == number),
            )
            name = session.scalar(query.order_by(CheckSet.name).limit(1))
            return None if name is None else (name, number)

    def _have(self, session: Session, bank: str, name: str, actor: str) -> None:
        if session.get(CheckSet, (bank, name)) is not None:
            return
        row = {"bank": bank, "name": check_slug(name), "created_at": self._clock.now()}
        if len(_totals(session, bank)) >= MOST_SETS:
            raise _full(MOST_SETS, "check sets of a bank")
        made = self._database.insert(CheckSet).on_conflict_do_nothing().returning(CheckSet.__table__.c.name)
        if session.scalars(made, [row]).all():
            record(session, self._clock, actor, "check.create", f"bank:{bank}", check=name)


def keep_run(session: Session, clock: Clock, job: Job, sha256: str) -> None:
    """The scores of a job that this transaction has locked, unless its set or its version was deleted meanwhile."""
    key = job.bank, job.request["check"], job.request["version"]
    held(session, job.bank)
    if session.get(CheckSet, key[:2]) is None or session.get(Version, (key[0], key[2])) is None:
        return
    old = session.get(CheckRun, key)
    if old is not None:
        touch(session, clock, old.sha256)
        old.sha256, old.job_id, old.created_at = sha256, job.id, clock.now()
        return
    bank, check_set, version = key
    session.add(
        CheckRun(
            bank=bank,
            check_set=check_set,
            version=version,
            sha256=sha256,
            job_id=job.id,
            created_at=clock.now(),
        )
    )


def label_conflict(name: str, one: str, other: str) -> LabelConflict:
    """The error for an image that is said to be of two kinds."""
    return LabelConflict(
        requirement="an image of a check set is good or shows one kind of defect",
        received=f"{shown(other)} for {shown(name)}, which is labelled {shown(one)}",
        remedy="Delete the image from the set and send it with its label, or correct what you send.",
    )


def set_found(row: V | None, bank: str, name: str) -> V:
    """``row``, unless there is none."""
    remedy = "List the bank's check sets, or send images to one."
    return present(row, f"the bank {bank} must have this check set", shown(name), remedy)


def _image_found(image: CheckImage | None, sha256: str) -> CheckImage:
    return present(image, "the image must be in the check set", shown(sha256), "List the set's images.")


def _full(most: int, what: str) -> CheckSetFull:
    return CheckSetFull(
        requirement=f"there may be {most:,} {what}",
        received="one more",
        remedy="Delete what is not needed any more, or begin another set.",
    )


def _count(session: Session, bank: str, name: str) -> int:
    query = select(func.count()).select_from(CheckImage)
    return session.scalar(query.where(CheckImage.bank == bank, CheckImage.check_set == name)) or 0


def _kinds(session: Session, bank: str, name: str, sha256s: Sequence[str]) -> dict[str, str]:
    """The kinds of those that the set has."""
    query = select(CheckImage.sha256, CheckImage.kind).where(
        CheckImage.bank == bank, CheckImage.check_set == name, CheckImage.sha256.in_(sha256s)
    )
    return dict(iter(session.execute(query)))


def _totals(session: Session, bank: str) -> list[CheckTotals]:
    columns = CheckImage.check_set, CheckImage.kind, func.count(), func.sum(CheckImage.bytes)
    rows = session.execute(
        select(*columns).where(CheckImage.bank == bank).group_by(CheckImage.check_set, CheckImage.kind)
    ).all()
    answers = []
    for each in session.scalars(select(CheckSet).where(CheckSet.bank == bank).order_by(CheckSet.name)):
        kinds = {kind: int(count) for name, kind, count, _ in rows if name == each.name}
        size = sum(int(size) for name, _, _, size in rows if name == each.name)
        answers.append(CheckTotals(each.name, each.created_at, sum(kinds.values()), size, kinds))
    return answers
