"""Groups as the user says them, and every way in which they can be wrong."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import AllDuplicates, GroupsError, GroupsFileError, GroupsPatternError, OneGroup
from core.groups import (
    Groups,
    by_file,
    by_parts,
    by_pattern,
    by_photograph,
    by_table,
    choose,
    numbered,
    require_several,
)

NAMES = ["07_a.png", "07_b.png", "02_a.png", "07_c.png", "11_a.png"]
TABLE = "image,part\n" + "".join(f"{name},tile {name[:2]}\n" for name in reversed(NAMES))


def test_labels_are_numbered_by_first_appearance():
    assert numbered(["x", "b", "x", "a", "b"]).tolist() == [0, 1, 0, 2, 1]


@pytest.mark.parametrize("pattern", ["^([0-9]+)_[a-z]", "[0-9]+", "(?:0|1)[0-9]"])
def test_a_pattern_groups_by_its_first_capture_or_by_all_it_matches(pattern):
    groups = by_pattern(pattern, NAMES)
    assert groups.labels.tolist() == [0, 0, 1, 0, 2]
    assert groups.names == ("07", "02", "11")
    assert groups.source == "regex"


def test_a_pattern_sees_folders_in_names():
    assert by_pattern("^([^/]+)/", ["p1/a.png", "p2/a.png", "p1/b.png"]).labels.tolist() == [0, 1, 0]


@pytest.mark.parametrize("pattern", ["(", "a{99999999999}", "", "x" * 1001])
def test_a_pattern_that_does_not_compile_is_refused_with_what_groups_may_be(pattern):
    with pytest.raises(GroupsPatternError):
        by_pattern(pattern, NAMES)


@pytest.mark.parametrize("pattern", ["^1[0-9]", "^07|(zz)", "(z*)"])
def test_names_in_which_a_pattern_finds_no_part_are_counted_and_shown(pattern):
    with pytest.raises(
        GroupsPatternError, match=r"received \d of 5 names without one, such as 07_a.png"
    ) as refused:
        by_pattern(pattern, NAMES)
    assert "name the parts in a file" in refused.value.remedy


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_table_may_have_any_of_three_separators_a_header_and_a_byte_order_mark(
    tmp_path, separator, header, mark
):
    file = tmp_path / "parts.csv"
    text = TABLE if header else TABLE.partition("\n")[2]
    file.write_text(mark + text.replace(",", separator) + "\r\n \n", encoding="utf-8")
    groups = by_file(file, NAMES)
    assert groups.labels.tolist() == [0, 0, 1, 0, 2]
    assert groups.names == ("tile 07", "tile 02", "tile 11")
    assert groups.source == "file"


def test_a_name_with_the_separator_stands_in_quotes():
    assert by_table('"a,1.png",x\nb.png,y\n', ["a,1.png", "b.png"]).labels.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("text", "received"),
    [
        ("", "no line that does"),
        ("image,part\n", "no line that does"),
        ("07_a.png\n", "1 columns on line 1"),
        ("07_a.png,1,2\n", "3 columns on line 1"),
        ("image,part\n07_a.png, \n", "an empty one on line 2"),
        (TABLE + "07_a.png,x\n", "07_a.png again on line 7"),
        (TABLE + "99.png,x\n", "1 that are not, such as 99.png"),
        (TABLE.replace("02_a.png,tile 02\n", ""), "none for 1, such as 02_a.png"),
    ],
)
def test_a_table_that_does_not_match_the_images_says_where(text, received):
    with pytest.raises(GroupsFileError) as refused:
        by_table(text, NAMES, "parts.csv")
    assert refused.value.received == received
    assert refused.value.requirement.startswith("parts.csv must")


def test_a_file_that_is_absent_or_no_text_is_refused(tmp_path):
    with pytest.raises(GroupsFileError, match="No such file"):
        by_file(tmp_path / "absent.csv", NAMES)
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(GroupsFileError, match="UTF-8"):
        by_file(tmp_path / "binary.csv", NAMES)


def test_parts_that_came_with_the_photographs_are_all_there_or_none():
    assert by_parts(["s1", " s2", "s1 "]).labels.tolist() == [0, 1, 0]
    with pytest.raises(GroupsError, match="1 of 3 without one"):
        by_parts(["s1", "", "s2"])


def test_one_group_only_is_refused_by_every_way_to_say_it():
    for one in (lambda: by_pattern("png", NAMES), lambda: by_table("a,x\nb,x\n", ["a", "b"])):
        with pytest.raises(OneGroup, match="photographs of one part"):
            one()


def test_copies_of_one_photograph_have_an_error_of_their_own():
    copies = Groups(np.zeros(3, np.int32), "auto", duplicates=((0, 1), (0, 2)))
    with pytest.raises(AllDuplicates, match="3 copies of one photograph"):
        require_several(copies)
    with pytest.raises(OneGroup) as refused:
        require_several(Groups(np.zeros(3, np.int32), "auto", duplicates=((0, 1),)))
    assert not isinstance(refused.value, AllDuplicates)


def test_an_option_is_auto_none_a_file_or_a_pattern(tmp_path):
    assert choose("auto", NAMES) is None
    alone = choose("none", NAMES)
    assert alone is not None
    assert alone.labels.tolist() == [0, 1, 2, 3, 4]
    file = tmp_path / "parts.csv"
    file.write_text(TABLE)
    for value, source in ((str(file), "file"), ("^[0-9]+", "regex")):
        found = choose(value, NAMES)
        assert found is not None
        assert found.source == source
    with pytest.raises(GroupsPatternError):
        choose("no/such/parts.csv", NAMES)


@pytest.mark.parametrize(
    "wrong",
    [
        {"labels": np.zeros(0, np.int32)},
        {"labels": np.array([1, 0], np.int32)},
        {"labels": np.array([0, 2], np.int32)},
        {"labels": np.array([0, 1], np.int64)},
        {"names": ("a",)},
        {"source": "guess"},
        {"duplicates": ((0, 1),)},
        {"duplicates": ((1, 0),)},
        {"cut": -1},
    ],
)
def test_groups_that_contradict_themselves_are_refused(wrong):
    said = {"labels": np.array([0, 1], np.int32), "source": "auto"} | wrong
    with pytest.raises(Exception, match=r"Groups must be|Type-check"):
        Groups(**said)


def test_groups_say_what_they_support():
    labels = numbered([i * 126 // 755 for i in range(755)])
    assert str(Groups(labels, "auto")) == (
        "755 photographs of about 126 parts; they support a false-reject rate of 0.79 % at best"
    )
    assert (
        str(by_photograph(99))
        == "99 photographs of 99 parts; they support a false-reject rate of 1 % at best"
    )


def test_members_hold_every_image_once():
    groups = by_pattern("^[0-9]+", NAMES)
    assert [each.tolist() for each in groups.members()] == [[0, 1, 3], [2], [4]]
    assert groups.sizes.tolist() == [3, 1, 1]


def test_what_a_person_should_look_at_is_said():
    labels = np.array([0, 0, 0, 1], np.int32)
    notices = Groups(labels, "auto", duplicates=((0, 1),), cut=2).notices()
    assert [sentence.split()[0] for sentence in notices] == ["one", "2", "one"]
    assert by_photograph(4).notices() == []
