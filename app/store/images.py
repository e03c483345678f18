"""The nominal set of a bank: images by sha256, so that sending one again changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal, NamedTuple

from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import Session

from app.store.audit import record
from app.store.banks import found, held
from app.store.blobs import touch
from app.store.database import Database, present
from app.store.errors import ImageNotKept, NotAFalseAlarm, SerialConflict
from app.store.ids import Clock, shown
from app.store.inspections import inspection_found
from app.store.page import Page, page_of
from app.store.schema import Bank, Blob, CheckImage, Image, Inspection, Source

Added = Literal["accepted", "duplicate"]
BATCH = 1000  # images that one statement looks for


@dataclass(frozen=True)
class NewImage:
    """A decoded image whose bytes are a blob already; ``name`` is shown and never opened. Sizes in pixels.

    serial: of the part it shows, where it is known.
    """

    sha256: str
    name: str
    bytes: int
    width: int
    height: int
    serial: str | None = None


class Shape(NamedTuple):
    """The size of some nominal images, in pixels, and the name of one of them."""

    name: str
    width: int
    height: int


class Images:
    """Every method is one transaction, durable once it returns."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    def add(self, bank: str, images: Sequence[NewImage], *, actor: str) -> list[Added]:
        """Accepted or duplicate, in the order given. Raises ``NotFound`` for the bank."""
        with self._database.write() as session:
            return self._add(session, bank, images, actor, "upload", None)

    def add_false_alarm(self, inspection_id: str, *, actor: str) -> Added:
        """The image of a false alarm joins its bank. Raises ``NotAFalseAlarm`` or ``ImageNotKept``."""
        with self._database.write() as session:
            inspection = inspection_found(session.get(Inspection, inspection_id), inspection_id)
            blob = session.get(Blob, usable_image(inspection))
            assert blob is not None  # by its foreign key
            name = inspection.name or inspection.serial or inspection.id
            serial = (inspection.serial or "").strip() or None
            image = NewImage(blob.sha256, name, blob.bytes, inspection.width, inspection.height, serial)
            return self._add(session, inspection.bank, [image], actor, "false_alarm", inspection_id)[0]

    def get(self, bank: str, sha256: str) -> Image:
        """Raises ``NotFound``."""
        with self._database.read() as session:
            return image_found(session.get(Image, (bank, sha256)), sha256)

    def find(self, bank: str, sha256: str) -> Image | None:
        """The image, if it is in the bank's nominal set."""
        with self._database.read() as session:
            return session.get(Image, (bank, sha256))

    def present(self, bank: str, sha256s: Sequence[str]) -> set[str]:
        """Which of these are in the bank's nominal set."""
        found: set[str] = set()
        with self._database.read() as session:
            for start in range(0, len(sha256s), BATCH):
                some = Image.sha256.in_(sha256s[start : start + BATCH])
                found.update(session.scalars(select(Image.sha256).where(Image.bank == bank, some)))
        return found

    def page(self, bank: str, *, after: str | None = None, limit: int = 100) -> Page[Image]:
        """Images by name, then sha256; ``after`` is the cursor of the page before."""
        query = select(Image).where(Image.bank == bank).order_by(Image.name, Image.sha256)
        with self._database.read() as session:
            found(session.get(Bank, bank), bank)
            last = session.get(Image, (bank, after)) if after else None
        if last is not None:
            query = query.where(tuple_(Image.name, Image.sha256) > (last.name, last.sha256))
        return page_of(self._database, query, limit, lambda image: image.sha256)

    def totals(self, bank: str) -> tuple[int, int]:
        """How many images, and how many bytes they have."""
        query = select(func.count(), func.coalesce(func.sum(Image.bytes), 0)).where(Image.bank == bank)
        with self._database.read() as session:
            count, size = session.execute(query).one()
            return int(count), int(size)

    def shapes(self, bank: str) -> list[Shape]:
        """The different sizes of its images, each with the name of one."""
        query = select(func.min(Image.name), Image.width, Image.height).where(Image.bank == bank)
        with self._database.read() as session:
            rows = session.execute(query.group_by(Image.width, Image.height).order_by(func.min(Image.name)))
            return [Shape(*row) for row in rows]

    def serials(self, bank: str) -> list[tuple[str | None, Source]]:
        """The serial number of each image's part, if it was said, and where the image came from."""
        with self._database.read() as session:
            return [
                (serial, source)
                for serial, source in session.execute(
                    select(Image.serial, Image.source).where(Image.bank == bank)
                )
            ]

    def serials_of(self, bank: str, sha256s: Sequence[str]) -> set[str]:
        """The serial numbers of these, of as many as have one."""
        found: set[str] = set()
        with self._database.read() as session:
            for start in range(0, len(sha256s), BATCH):
                some = Image.sha256.in_(sha256s[start : start + BATCH])
                query = select(Image.serial).where(Image.bank == bank, some)
                found.update(serial for serial in session.scalars(query) if serial is not None)
        return found

    def parts(self, bank: str) -> tuple[int, int]:
        """How many images have a serial number, and how many different ones there are."""
        query = select(func.count(Image.serial), func.count(Image.serial.distinct())).where(
            Image.bank == bank
        )
        with self._database.read() as session:
            count, different = session.execute(query).one()
            return int(count), int(different)

    def say_serials(self, bank: str, serials: Mapping[str, str], *, actor: str) -> None:
        """Give images, by sha256, the serial number of their part.

        Raises ``SerialConflict`` where one has another already; then nothing is changed.
        """
        names, said = sorted(serials), 0
        with self._database.write() as session:
            for start in range(0, len(names), BATCH):
                query = select(Image).where(
                    Image.bank == bank, Image.sha256.in_(names[start : start + BATCH])
                )
                for image in session.scalars(query.with_for_update()):
                    said += image.serial is None
                    image.serial = agreed(image, serials[image.sha256])
            if said:
                record(session, self._clock, actor, "image.serial", f"bank:{bank}", images=said)

    def remove(self, bank: str, sha256: str, *, actor: str) -> None:
        """Take one image out of the set. Builds asked for before keep it. Raises ``NotFound``."""
        with self._database.write() as session:
            image = image_found(session.get(Image, (bank, sha256), with_for_update=True), sha256)
            session.delete(image)
            touch(session, self._clock, sha256)
            record(
                session, self._clock, actor, "image.delete", f"bank:{bank}", sha256=sha256, name=image.name
            )

    def _add(
        self,
        session: Session,
        bank: str,
        images: Sequence[NewImage],
        actor: str,
        source: Source,
        inspection_id: str | None,
    ) -> list[Added]:
        held(session, bank)
        common = {
            "bank": bank,
            "source": source,
            "inspection_id": inspection_id,
            "added_at": self._clock.now(),
        }
        insert = self._database.insert(Image).on_conflict_do_nothing().returning(Image.__table__.c.sha256)
        rows = [asdict(image) | common for image in sorted(images, key=lambda image: image.sha256)]
        fresh = set(session.scalars(insert, rows)) if rows else set()
        record(session, self._clock, actor, f"image.{source}", f"bank:{bank}", accepted=len(fresh))
        return _verdicts(images, fresh)


def usable_image(inspection: Inspection) -> str:
    """The sha256 of an inspection's image, if it may join the nominal set."""
    if inspection.verdict != "false_alarm":
        raise NotAFalseAlarm(
            requirement="only an inspection reviewed as a false alarm may join the nominal set",
            received=f"the verdict {inspection.verdict or 'none'}",
            remedy="Review it as a false alarm first, if it is one.",
        )
    if inspection.image_sha256 is None:
        raise ImageNotKept(
            requirement="the inspection's image must have been kept",
            received=f"no image for {inspection.id}",
            remedy="Upload the image to the bank, or keep images (NOMINAL_IMAGE_KEEP).",
        )
    return inspection.image_sha256


def image_found(image: Image | None, sha256: str) -> Image:
    """``image``, unless there is none."""
    return present(
        image, "the image must be in the bank's nominal set", shown(sha256), "List the bank's images."
    )


def agreed(image: Image | CheckImage, serial: str) -> str:
    """``serial``, unless the image has another."""
    if image.serial in (None, serial):
        return serial
    raise serial_conflict(image.name, image.serial or "", serial)


def serial_conflict(name: str, one: str, other: str) -> SerialConflict:
    """The error for an image that is said to show two parts."""
    return SerialConflict(
        requirement="an image shows one part, however often it is sent",
        received=f"{shown(other)} for {shown(name)}, which has the serial number {shown(one)}",
        remedy="Delete the image and send it with its serial number, or correct what you send.",
    )


def _verdicts(images: Sequence[NewImage], fresh: set[str]) -> list[Added]:
    """The first of each fresh sha256 was accepted, any repeat within the call a duplicate."""
    answers: list[Added] = []
    for image in images:
        answers.append("accepted" if image.sha256 in fresh else "duplicate")
        fresh.discard(image.sha256)
    return answers
