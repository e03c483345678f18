"""Which files of a folder are whole, in which order they go, and where they go to: without a server."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
from typer import BadParameter

from app.cli.serve import watched
from app.settings import SettingsError, Watched, load_settings
from app.sources import settling
from app.sources.listing import QUIET, Listing
from app.sources.settling import settle
from app.sources.share import LONGEST_NAME, Stamp, look, plain, read_whole, stamp_of
from core.errors import Refusal

ANSWER = {"id": "0190-1", "decision": "accept"}


def test_files_are_whole_once_they_stay_the_same_and_go_by_time_then_name() -> None:
    now = [0.0]
    listing = Listing(2.0, lambda: now[0])
    old, young, growing = Stamp(1, 5, 100), Stamp(2, 5, 200), Stamp(3, 1, 50)
    assert listing.note({"z": old, "b": young, "a": young, "g": growing}) == ["z", "b", "a", "g"]
    assert listing.ready(9) == []
    now[0] = 2.0
    assert listing.note({"z": old, "b": young, "a": young, "g": Stamp(3, 9, 60)}) == ["g"]
    assert [name for name, _ in listing.ready(9)] == ["z", "a", "b"]
    assert [name for name, _ in listing.ready(2)] == ["z", "a"]
    assert listing.until_quiet(listing.waiting["g"]) == 2.0 * QUIET
    listing.settle("z", old)
    listing.settle("a", None)
    listing.settle("b", Stamp(9, 9, 9))  # replaced meanwhile: it still waits
    assert listing.note({"z": old, "b": young}) == []
    assert list(listing.waiting) == ["b"]
    assert listing.note({"z": young, "b": young}) == ["z"]


def test_hidden_temporary_and_other_files_links_and_folders_are_not_looked_at(tmp_path: Path) -> None:
    for name in ("a.png", ".b.png", "~c.png", "d.png.part", "e.txt", "f.JPG"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "g.png").symlink_to(tmp_path / "a.png")
    (tmp_path / "h.png").mkdir()
    assert sorted(look(tmp_path)[0]) == ["a.png", "f.JPG"]


def test_a_file_that_was_replaced_while_it_was_read_is_not_taken(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"old")
    stamp = look(tmp_path)[0]["a.png"]
    assert read_whole(path, stamp) == b"old"
    (tmp_path / "new").write_bytes(b"new")
    (tmp_path / "new").rename(path)
    assert read_whole(path, stamp) is None
    path.unlink()
    assert read_whole(path, stamp) is None


@pytest.mark.parametrize("other_file_system", [False, True])
def test_settling_twice_is_settling_once_and_overwrites_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other_file_system: bool
) -> None:
    rename = os.rename

    def refuse(source: Any, target: Any) -> None:
        if other_file_system:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        rename(source, target)

    monkeypatch.setattr(settling.os, "rename", refuse)
    said = Watched(folder=tmp_path, bank="caps", after="move")
    (tmp_path / "accept").mkdir()
    (tmp_path / "accept" / "a.png").write_bytes(b"an older part")
    (tmp_path / "a.png").write_bytes(b"part")
    stamp = stamp_of(tmp_path / "a.png")
    assert stamp is not None
    settle(said, "a.png", stamp, ANSWER)
    settle(said, "a.png", stamp, ANSWER)
    moved = tmp_path / "accept" / "a.0190-1.png"
    assert (moved.read_bytes(), (tmp_path / "accept" / "a.png").read_bytes()) == (b"part", b"an older part")
    assert json.loads(moved.with_name(f"{moved.name}.json").read_text()) == ANSWER
    assert not (tmp_path / "a.png").exists()


def test_a_file_that_was_replaced_before_the_move_stays(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"part")
    stamp = stamp_of(tmp_path / "a.png")
    assert stamp is not None
    (tmp_path / "a.png").write_bytes(b"another")
    settle(Watched(folder=tmp_path, bank="caps", after="move"), "a.png", stamp, ANSWER)
    assert (tmp_path / "a.png").read_bytes() == b"another"


def test_names_that_cannot_be_stored_or_lengthened_get_a_plain_one() -> None:
    raw, long = os.fsdecode(b"a\xff.png"), "ä" * 150 + ".png"
    assert plain("a b.png") == "a b.png"
    assert plain(raw) == r"a\xff.png"
    assert len(plain(long).encode()) <= LONGEST_NAME
    assert plain(long).endswith(".png")
    assert plain(long) != plain("ä" * 151 + ".png")


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ("folders", "JSON"),
        ('[{"folder": "in", "bank": "caps"}]', "absolute path"),
        ('[{"folder": "/in", "bank": "caps", "after": "delete"}]', "keep"),
        ('[{"folder": "/in", "bank": "caps", "into": "/out"}]', "into needs after"),
        ('[{"folder": "/in", "bank": "caps", "aftr": "move"}]', "aftr"),
        ('[{"folder": "/in", "bank": "caps"}, {"folder": "/in/../in", "bank": "nuts"}]', "once"),
    ],
)
def test_a_watched_folder_that_cannot_be_meant_is_refused(
    monkeypatch: pytest.MonkeyPatch, said: str, fault: str
) -> None:
    monkeypatch.setenv("NOMINAL_WATCH", said)
    with pytest.raises(SettingsError, match=fault):
        load_settings()


def test_the_command_line_names_a_folder_and_its_bank() -> None:
    assert watched("/in=a=caps", "move") == {"folder": "/in=a", "bank": "caps", "after": "move"}
    with pytest.raises(BadParameter, match="FOLDER=BANK"):
        watched("/in", "keep")


def test_every_refusal_says_why_in_a_text_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"?")
    stamp = stamp_of(tmp_path / "a.png")
    assert stamp is not None
    error = Refusal("an image must be one", "none", "Send one")
    settling.fail(Watched(folder=tmp_path, bank="caps", after="move"), "a.png", stamp, {}, error)
    text = (tmp_path / "failed" / "a.png.txt").read_text()
    assert text == "Required: an image must be one\nReceived: none\nRemedy: Send one\n"
