"""The solar cells of elpv-dataset, cut and written in MVTec form."""

from __future__ import annotations

import numpy as np
import pytest

from app.errors import FolderError
from app.imaging.datasets import MvtecDataset
from app.imaging.folders import read_image
from bench.datasets import SHARED, Choice, Few, elpv_split, main, write_apart, write_elpv

FEW = Choice(train_share=0.02)


@pytest.mark.parametrize(("cell_type", "counts"), [("mono", (353, 235, 313)), ("poly", (552, 368, 402))])
def test_sixty_per_cent_of_the_nominal_cells_train(cell_type, counts):
    split = elpv_split(Choice(cell_type))
    assert (len(split.train), len(split.test_good), len(split.defective)) == counts


def test_no_cell_is_in_two_parts():
    split = elpv_split()
    cells = [*split.train, *split.test_good, *split.defective]
    assert len(set(cells)) == len(cells)
    assert all(cell.is_file() for cell in cells)


def test_the_seed_alone_decides_the_split():
    assert elpv_split() == elpv_split()
    assert elpv_split().train != elpv_split(Choice(seed=1)).train
    assert elpv_split().defective == elpv_split(Choice(seed=1)).defective


def test_what_is_written_is_in_mvtec_form(tmp_path):
    dataset = MvtecDataset(write_elpv(tmp_path / "elpv"))
    tests = dataset.test_images()
    assert [p.name for p in dataset.train_images()] == [p.name for p in elpv_split().train]
    assert (sum(not t.defective for t in tests), sum(t.defective for t in tests)) == (235, 313)
    assert {t.label for t in tests} == {"good", "defective"}
    image = read_image(tests[0].path)
    assert isinstance(image, np.ndarray)
    assert image.shape == (300, 300, 3)
    assert "NonCommercial" in (tmp_path / "elpv" / "LICENCE.txt").read_text()


def test_writing_again_does_nothing(tmp_path):
    out = write_elpv(tmp_path / "elpv")
    before = {p: p.stat().st_mtime_ns for p in out.rglob("*")}
    assert write_elpv(out) == out
    assert {p: p.stat().st_mtime_ns for p in out.rglob("*")} == before


def test_a_folder_with_another_split_or_other_files_is_left_alone(tmp_path):
    out = write_elpv(tmp_path / "elpv", FEW)
    with pytest.raises(FolderError, match='"seed": 7'):
        write_elpv(out, Choice(seed=7))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    with pytest.raises(FolderError, match="other files"):
        write_elpv(tmp_path / "mine")
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["notes.txt"]


def test_an_interrupted_run_leaves_nothing_that_looks_whole(tmp_path):
    partial = tmp_path / "elpv.partial" / "train" / "good"
    partial.mkdir(parents=True)
    (partial / "stale.png").write_bytes(b"")
    out = write_elpv(tmp_path / "elpv", FEW)
    assert not (out / "train" / "good" / "stale.png").exists()
    assert not partial.exists()


def test_the_command_names_what_it_wrote_and_refuses_in_one_line(tmp_path, capsys):
    out = str(tmp_path / "elpv")
    main(["elpv", out, "--cell-type", "mono", "--train-share", "0.6", "--seed", "0"])
    assert f"{out}/train/good: 353 images" in capsys.readouterr().out
    with pytest.raises(SystemExit) as ended:
        main(["elpv", out, "--seed", "1"])
    assert ended.value.code == 2
    assert "Name another folder" in capsys.readouterr().err


def test_no_part_is_on_both_sides_of_a_new_cut_and_none_with_a_defect_is_taught(tmp_path):
    source = tmp_path / "tiles"
    rows = []
    for folder, part, count in (
        *(("train/good", f"tile{i}", 3) for i in range(6)),
        *(("test/good", f"tile{i}", 2) for i in range(4, 9)),
        ("test/crack", "tile5", 1),
    ):
        (source / folder).mkdir(parents=True, exist_ok=True)
        for shot in range(count):
            name = f"{folder}/{part}_{shot}.png"
            (source / name).write_bytes(name.encode())
            rows.append(f"{name},{part}")
    mask = source / "ground_truth/crack/tile5_0_mask.png"
    mask.parent.mkdir(parents=True)
    mask.write_bytes(b"mask")
    (source / "parts.csv").write_text("image,part\n" + "\n".join(rows))
    cuts = [write_apart(source, tmp_path / f"cut{seed}", seed, 0.5) for seed in (0, 1)]
    sides = []
    for cut in cuts:
        part = dict(line.split(",") for line in (cut / "parts.csv").read_text().splitlines()[1:])
        assert {p.relative_to(cut).as_posix() for p in cut.glob("t*/*/*")} == set(part)
        assert len(part) == len(rows) - 5, "the good photographs of tile5 are left out"
        assert {name for name, tile in part.items() if tile == "tile5"} == {"test/crack/test-tile5_0.png"}
        taught = {tile for name, tile in part.items() if name.startswith("train/")}
        assert len(taught) == 4
        assert "tile5" not in taught
        assert taught.isdisjoint({tile for name, tile in part.items() if name.startswith("test/")})
        assert (cut / "ground_truth/crack/test-tile5_0_mask.png").read_bytes() == b"mask"
        sides.append(taught)
    assert sides[0] != sides[1]
    few = write_apart(source, tmp_path / "few", 0, 0.5, Few(parts=2, tests=5))
    names = {p.relative_to(few).as_posix() for p in few.glob("t*/*/*")}
    whole = {p.relative_to(cuts[0]).as_posix() for p in cuts[0].glob("t*/*/*")}
    assert names < whole
    assert [len(list(few.glob(f"test/{kind}/*"))) for kind in ("good", "crack")] == [5, 1]
    learned = {name.rpartition("_")[0] for name in names if name.startswith("train/")}
    assert len({name.rpartition("-")[2] for name in learned}) == 2
    assert write_apart(source, cuts[0], 0, 0.5) == cuts[0]
    with pytest.raises(FolderError, match='"seed": 3'):
        write_apart(source, cuts[0], 3, 0.5)


@pytest.mark.skipif(not (SHARED / "data/mtd").is_dir(), reason="needs the shared images beside the checkout")
def test_magnetic_tiles_are_cut_by_tile(tmp_path):
    cut = write_apart(SHARED / "data/mtd", tmp_path / "mtd", 0, 0.8)
    assert len(list(cut.glob("train/good/*"))) + len(list(cut.glob("test/good/*"))) == 917
    assert len(list(cut.glob("ground_truth/*/*"))) == 392
    assert {len(t.masks) == 1 for t in MvtecDataset(cut).test_images() if t.defective} == {True}
