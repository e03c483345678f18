"""``nominal export``: a bank with its backbone as one file for onnxruntime or OpenVINO (docs/export.md)."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from app.cli import app
from app.cli import options as o
from app.cli.bank import BankFile
from app.cli.console import Json, print_json, say
from app.inspection import export as exporting
from app.inspection.backbones import proven_engine
from app.learning.learn import check_target
from app.ops.process import own_cores
from core.bank import load_bank
from models.exchange import FORMATS


@app.command()
@o.grouped
def export(
    bank_file: BankFile,
    format: Annotated[Literal["openvino", "onnx"], typer.Option("--format", help="Of the file.")],
    machine: o.Machine,
    out: Annotated[
        Path | None, typer.Option("--out", help="File to write, .xml or .onnx (default: beside the bank).")
    ] = None,
    json_output: Json = False,
) -> None:
    """Write a bank with its backbone as one file for other programs: OpenVINO or ONNX.

    The file is kept only if it scores the conformance images as the bank recorded.
    """
    kind = FORMATS[format]
    kind.check()
    path = out or bank_file.with_suffix(kind.suffixes[0])
    if path.suffix != kind.suffixes[0]:
        raise typer.BadParameter(f"{path} must end in {kind.suffixes[0]}.", param_hint="--out")
    check_target(path)
    bank = load_bank(bank_file)
    exporting.check_exportable(bank)
    engine = proven_engine(bank, machine.precision, partial(machine.load, bank.backbone.name))
    found = exporting.export(engine, kind, path, own_cores(machine.threads))
    if json_output:
        print_json(
            asdict(found) | {"bank": str(bank_file), "format": format, "files": [*map(str, found.files)]}
        )
        return
    say(f"Wrote {' and '.join(map(str, found.files))}, {found.bytes / 1e6:.1f} MB.")
    say(
        f"Proven on {found.images} conformance images: scores differ by {found.score_difference:.4%}, maps by "
        f"{found.map_difference:.4%}; {bank.conformance.tolerance:.0%} are allowed."
    )
    say(
        f"One picture to its score and map: {found.file_milliseconds:.1f} ms by the file, "
        f"{found.nominal_milliseconds:.1f} ms by Nominal."
    )
