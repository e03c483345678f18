"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from app.ops.files import write_atomically


def test_content_is_put_there_in_new_folders_and_nothing_else(tmp_path):
    target = tmp_path / "new" / "deep" / "page.html"
    write_atomically(target, b"first")
    write_atomically(target, b"second")
    assert target.read_bytes() == b"second"
    assert [p.name for p in target.parent.iterdir()] == ["page.html"]


def test_others_may_read_what_was_written(tmp_path):
    write_atomically(tmp_path / "map.npy", b"x")
    assert (tmp_path / "map.npy").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failure_at_any_step_leaves_what_was_there_and_no_other_file(step, tmp_path, monkeypatch):
    target = tmp_path / "page.html"
    target.write_bytes(b"before")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(target, b"after")
    assert target.read_bytes() == b"before"
    assert [p.name for p in tmp_path.iterdir()] == ["page.html"]


def test_a_folder_in_the_way_is_left_alone(tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="taken"):
        write_atomically(tmp_path / "taken", b"content")
    assert [p.name for p in tmp_path.iterdir()] == ["taken"]


def test_a_process_that_ends_before_the_rename_leaves_the_old_content(tmp_path):
    target = tmp_path / "page.html"
    target.write_bytes(b"before")
    program = "import os, sys; os.replace = lambda *_: os._exit(9); from app.ops.files import write_atomically as w; "
    program += f"from pathlib import Path; w(Path({str(target)!r}), b'after')"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 9
    assert target.read_bytes() == b"before"
