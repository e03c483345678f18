"""``nominal patterns``: what is frequent in rejects and absent from good images, and where it is on them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
import typer
from jaxtyping import Float32
from torch import Tensor

from app.cli import app
from app.cli import options as o
from app.cli.bank import BankFile
from app.cli.console import Json, notice, print_json, print_rows, say
from app.errors import ImageRefused
from app.imaging.decode import ImageLimits
from app.imaging.folders import list_images, read_photograph
from core.bank import Bank, load_bank
from core.detector import check_backbone, detect, thresholds_of
from core.features.patches import patch_features
from core.features.pca import reduced
from core.features.position import placed
from core.input.views import Placement, view_of
from core.patterns import Mined, Pooled, agreement, mine, pooled_of, stability
from models.backbone import Backbone

SEEDS = 4
Of = Literal["residual", "whole"]


@dataclass(frozen=True, eq=False)
class Seen:
    """One image's patches, as patterns are mined on: those that count."""

    path: Path
    patches: Float32[np.ndarray, "p d"]
    grid: tuple[int, int]
    placement: Placement


@dataclass(frozen=True)
class Row:
    """One pattern: how many rejects it answers to most, and where it is on the one it answers to most strongly."""

    pattern: int
    rejects: int
    example: str
    x: int
    y: int


@app.command()
@o.grouped
def patterns(
    bank_file: BankFile,
    *,
    defects: Annotated[
        Path, typer.Option("--defects", help="Folder of rejects; its subfolders are taken for known kinds.")
    ],
    good: Annotated[Path, typer.Option("--good", help="Folder of good images that the bank did not learn.")],
    machine: o.Machine,
    limits: ImageLimits,
    of: Annotated[
        Of,
        typer.Option(
            "--of", help="residual: what differs in patches above the threshold. whole: every patch vector."
        ),
    ] = "residual",
    count: Annotated[int, typer.Option("--count", min=1, help="Patterns to mine.")] = 5,
    json_output: Json = False,
) -> None:
    """Mine patterns of defects (PatternNet): frequent in rejects, absent from good images.

    The figures say how stable they are over seeds and, by subfolders, how they agree with known kinds. A pattern is not
    a kind of defect: look at both before you name one.
    """
    bank = load_bank(bank_file)
    backbone = machine.load(bank.backbone.name)
    check_backbone(bank, backbone.digest)
    rejects = [*_seen(_images(defects), bank, backbone, of, limits)]
    nominal = [*_seen(_images(good), bank, backbone, of, limits)]
    pooled = Pooled(*(pooled_of([each.patches for each in side]) for side in (nominal, rejects)))
    mined = [mine(pooled, count, seed) for seed in range(SEEDS)]
    first, groups = mined[0], mined[0].groups
    rows = [_row(first, pattern, rejects, backbone) for pattern in range(count)]
    found: dict[str, Any] = {
        "bank": str(bank_file),
        "of": of,
        "nominal": len(nominal),
        "rejects": len(rejects),
        "separation": first.separation,
        "stability": stability(mined),
        "patterns": [asdict(row) for row in rows],
    }
    kinds = [each.path.parent.name for each in rejects]
    if len(set(kinds)) > 1:
        with_kinds = agreement(groups.tolist(), kinds)
        found |= {"nmi": with_kinds.nmi, "purity": with_kinds.purity}
    if json_output:
        print_json(found)
        return
    print_rows(rows, {field.name: field.name for field in fields(Row)})
    figures = ("separation", "stability", "nmi", "purity")
    say(", ".join(f"{name} {found[name]:.3f}" for name in figures if name in found))


def _images(folder: Path) -> list[Path]:
    """Of the folder and its subfolders. Raises FolderError."""
    return list_images(folder, recursive=True)


def _seen(
    paths: Sequence[Path], bank: Bank, backbone: Backbone, of: Of, limits: ImageLimits
) -> Iterator[Seen]:
    """Each image that can be read and whose part is located; the others are named."""
    level = thresholds_of(bank).review
    for path in paths:
        photograph = read_photograph(path, bank.config.input, limits)
        if isinstance(photograph, ImageRefused):
            notice(f"{path}: {photograph}")
            continue
        view = view_of(photograph, bank.config, bank.backbone.mean, bank.reference)
        if not view.located:
            notice(f"{path}: its part is not located.")
            continue
        x = view.tensor(bank.config.input, bank.backbone.mean, bank.backbone.std)[None]
        maps = backbone(x)
        found = detect(x, partial(_same, maps), bank, [view.placement])
        vectors, grid = placed(reduced(patch_features(maps, bank.config.patch), bank.pca), bank.position)
        patches = vectors[0].cpu()
        if of == "residual":
            nearest = torch.from_numpy(bank.vectors[found.ids[0]])
            above = torch.from_numpy(found.distances[0] > level)[:, None]
            patches = (patches - nearest).abs() * above
        yield Seen(path, patches.numpy(), grid, view.placement)


def _same(maps: list[Tensor], x: Tensor) -> list[Tensor]:
    """Maps that are at hand, as an extractor gives them."""
    return maps


def _row(mined: Mined, pattern: int, rejects: Sequence[Seen], backbone: Backbone) -> Row:
    example = rejects[int(mined.responses[:, pattern].argmax())]
    cell = divmod(int(mined.places(example.patches, pattern).argmax()), example.grid[1])
    y, x = example.placement.at(cell, example.grid, backbone.spec.offset)
    return Row(pattern + 1, int(np.count_nonzero(mined.groups == pattern)), str(example.path), x, y)
