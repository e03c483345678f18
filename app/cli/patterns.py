"""``nominal patterns``: what is frequent in rejects and absent from good images, and where it is on them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from app.cli import app
from app.cli import options as o
from app.cli.bank import BankFile
from app.cli.console import Json, notice, print_json
from app.cli.patterns_table import print_patterns
from app.errors import ImageRefused
from app.imaging.decode import ImageLimits
from app.imaging.folders import list_images, read_photograph
from app.inspection.engine import Engine
from app.learning.learn import Hooks
from app.learning.mining import Mining, Taken
from core.bank import Bank, load_bank
from core.detector import check_backbone
from core.input.photograph import Photograph
from core.patterns import Of
from nominal_client.answers import patterns as schema


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
    rejects, nominal = ([*_taken(folder, bank, limits)] for folder in (defects, good))
    mining = Mining(Engine(backbone, bank), rejects, nominal, count, Hooks(say=notice), [of])
    found = schema.Patterns.model_validate(mining.run())
    if json_output:
        print_json({"bank": str(bank_file), **found.model_dump(mode="json")})
    else:
        print_patterns(found)


def _taken(folder: Path, bank: Bank, limits: ImageLimits) -> Iterator[Taken]:
    """The images of a folder and its subfolders, which name kinds. Raises FolderError."""
    for path in list_images(folder, recursive=True):
        yield Taken(str(path), partial(_read, path, bank, limits), path.parent.name)


def _read(path: Path, bank: Bank, limits: ImageLimits) -> Photograph:
    found = read_photograph(path, bank.config.input, limits)
    if isinstance(found, ImageRefused):
        raise found
    return found
