"""``nominal advise``: in the terminal, as JSON, by labelled defects; what it refuses."""

from __future__ import annotations

from pathlib import Path

from parts import parts, scratched

from app.imaging.pictures import encode_png
from nominal_client.answers.advice import Advice

pytest_plugins = ("command_line",)


def written(folder: Path, images: list, prefix: str = "") -> Path:
    folder.mkdir(parents=True)
    for i, image in enumerate(images):
        (folder / f"{prefix}{i:03d}.png").write_bytes(encode_png(image))
    return folder


WORDS = ("--size", 64, "--groups", "none", "--target-false-reject", 0.2)


def test_a_person_reads_a_table_the_advice_and_the_command(nominal, tiny, tmp_path):
    good = written(tmp_path / "good", parts(12))
    ended = nominal("advise", good, *tiny, *WORDS)
    assert ended.status == 0, ended.err
    lines = ended.out.splitlines()
    assert any("as given" in line for line in lines)
    assert any(line.startswith(("Keep the settings", "Take ")) for line in lines)
    command = lines[-1]
    assert command.startswith(f"nominal build {good} --out bank.nominal --backbone tiny")
    assert "--size 64" in command
    assert any("drawn by a program" in line for line in lines)


def test_json_judges_by_labelled_defects(nominal, tiny, tmp_path):
    good = written(tmp_path / "good", parts(12))
    written(tmp_path / "set" / "test" / "good", parts(6, seed=2))
    written(tmp_path / "set" / "test" / "hole", [scratched(image, 30, 30, 20) for image in parts(6, seed=3)])
    found = nominal("advise", good, *tiny, *WORDS, "--test", tmp_path / "set", "--json").json
    assert found.pop("folder") == str(good)
    assert found.pop("command").startswith("nominal build")
    typed = Advice.model_validate(found)
    assert typed.rests_on.labelled
    assert typed.trials[0].kinds["hole"].of == 6


def test_too_few_images_and_no_time_are_refused_by_name(nominal, tiny, tmp_path):
    good = written(tmp_path / "good", parts(9))
    few = nominal("advise", good, *tiny, *WORDS)
    assert (few.status, few.out) == (1, "")
    assert "needs at least 10 nominal images" in few.err
    none = nominal("advise", good, *tiny, *WORDS, "--within", 0)
    assert none.status != 0
    assert "at least one second" in none.err
