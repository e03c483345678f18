"""The nominal set: resumable uploads, pages by name, false alarms that join."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from app.store.errors import ImageNotKept, NotAFalseAlarm, NotFound, SerialConflict
from app.store.images import NewImage
from app.store.schema import Inspection
from app.store.store import Store

Put = Callable[[bytes], str]
AddImage = Callable[..., str]
MakeInspection = Callable[..., Inspection]


def test_each_file_is_accepted_once_also_within_one_call(store: Store, bank: str, put: Put) -> None:
    a, b = (NewImage(put(data), data.decode(), len(data), 4, 3) for data in (b"aa", b"b"))
    assert store.images.add(bank, [a, b, a], actor="cli") == ["accepted", "accepted", "duplicate"]
    assert store.images.add(bank, [b], actor="cli") == ["duplicate"]
    assert store.images.totals(bank) == (2, 3)


def test_the_same_image_may_be_in_two_banks(store: Store, bank: str, add_image: AddImage) -> None:
    store.banks.create("nuts", title="Nuts", config={}, actor="cli")
    sha256 = add_image(bank, b"image")
    assert add_image("nuts", b"image") == sha256
    store.images.remove(bank, sha256, actor="cli")
    assert store.blobs.collect(-1).blobs == 0
    assert store.blobs.read(sha256) == b"image"


def test_pages_go_by_name_and_survive_additions(store: Store, bank: str, add_image: AddImage) -> None:
    for index in range(7):
        add_image(bank, b"%d" % index, name=f"same {index % 2}")
    first = store.images.page(bank, limit=4)
    add_image(bank, b"new", name="a")  # before the cursor: must not shift the next page
    second = store.images.page(bank, after=first.next, limit=4)
    names = [image.name for image in first.items + second.items]
    assert names == ["same 0"] * 4 + ["same 1"] * 3
    assert len({image.sha256 for image in first.items + second.items}) == 7
    assert second.next is None


def test_a_removed_image_is_not_found(store: Store, bank: str, add_image: AddImage) -> None:
    sha256 = add_image(bank, b"image")
    assert store.images.get(bank, sha256).name == "part.jpg"
    store.images.remove(bank, sha256, actor="cli")
    for ask in (
        lambda: store.images.get(bank, sha256),
        lambda: store.images.remove(bank, sha256, actor="cli"),
    ):
        with pytest.raises(NotFound):
            ask()


def test_a_false_alarm_joins_its_bank(
    store: Store, bank: str, put: Put, make_inspection: MakeInspection
) -> None:
    seen = make_inspection(bank, decision="reject", image_sha256=put(b"good part"), serial="S1")
    store.inspections.add([seen])
    with pytest.raises(NotAFalseAlarm, match="the verdict none"):
        store.images.add_false_alarm(seen.id, actor="cli")
    store.reviews.add(seen.id, "false_alarm", actor="cli")
    assert store.images.add_false_alarm(seen.id, actor="cli") == "accepted"
    assert store.images.add_false_alarm(seen.id, actor="cli") == "duplicate"
    image = store.images.page(bank).items[0]
    assert (image.source, image.inspection_id, image.name) == ("false_alarm", seen.id, "S1")
    assert (image.bytes, image.width, image.height) == (9, 640, 480)


def test_a_false_alarm_without_its_image_cannot_join(
    store: Store, bank: str, make_inspection: MakeInspection
) -> None:
    seen = make_inspection(bank, decision="reject")
    store.inspections.add([seen])
    store.reviews.add(seen.id, "false_alarm", actor="cli")
    with pytest.raises(ImageNotKept, match="NOMINAL_IMAGE_KEEP"):
        store.images.add_false_alarm(seen.id, actor="cli")


def test_an_image_takes_a_serial_number_once_and_another_is_refused_whole(
    store: Store, bank: str, add_image: Callable[..., str]
) -> None:
    a, b = add_image(bank, b"aa", name="a.png"), add_image(bank, b"b", name="b.png")
    store.images.say_serials(bank, {a: "A-1"}, actor="cli")
    with pytest.raises(SerialConflict, match="A-1"):
        store.images.say_serials(bank, {a: "A-2", b: "A-2"}, actor="cli")
    assert store.images.parts(bank) == (1, 1)
    store.images.say_serials(bank, {a: "A-1", b: "A-1", "0" * 64: "gone"}, actor="cli")
    assert store.images.parts(bank) == (2, 1)
    assert store.images.serials(bank) == [("A-1", "upload")] * 2


def test_a_false_alarm_brings_its_serial_number(
    store: Store, bank: str, put: Callable[[bytes], str], make_inspection: Callable[..., Inspection]
) -> None:
    for data, serial in ((b"one", " A-17 "), (b"two", " ")):
        seen = make_inspection(image_sha256=put(data), serial=serial)
        store.inspections.add([seen])
        store.reviews.add(seen.id, "false_alarm", actor="cli")
        store.images.add_false_alarm(seen.id, actor="cli")
    assert sorted(store.images.serials(bank), key=str) == [("A-17", "false_alarm"), (None, "false_alarm")]
