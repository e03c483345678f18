"""``nominal explain``: why an image scores as it does against a bank, by a method, with its faithfulness."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli import app
from app.cli import options as o
from app.cli.bank import BankFile
from app.cli.console import Json, notice, print_facts, print_json, say
from app.errors import ImageRefused
from app.imaging.decode import ImageLimits
from app.imaging.folders import read_image, read_photograph
from app.insight.explaining import document, method_names, note_of, over
from core.bank import load_bank
from core.detector import check_backbone
from core.explain import DEFAULT, Network, explain, method_named
from core.files import write_atomically
from core.input.views import view_of
from nominal_client.explanations import facts

MethodName = Annotated[str, typer.Option("--method", help=f"One of {', '.join(method_names())}.")]


@app.command("explain")
@o.grouped
def explain_image(
    bank_file: BankFile,
    image: Annotated[Path, typer.Argument(help="Image file.")],
    *,
    machine: o.Machine,
    limits: ImageLimits,
    method: MethodName = DEFAULT,
    out: Annotated[Path | None, typer.Option("--out", help="PNG to write: the map over the image.")] = None,
    json_output: Json = False,
) -> None:
    """Explain an image's score: where it comes from, how faithful the method is, which channels carry it.

    Computed by torch in float32, whatever the bank was built in. Only the patch map is what a decision rests on.
    """
    method_named(method)
    bank = load_bank(bank_file)
    photograph = read_photograph(image, bank.config.input, limits)
    if isinstance(photograph, ImageRefused):
        raise photograph
    backbone = replace(machine, runtime="torch").load(bank.backbone.name, "float32")
    check_backbone(bank, backbone.digest)
    if (said := note_of(bank.backbone.precision)) is not None:
        notice(said)
    view = view_of(photograph, bank.config, bank.backbone.mean, bank.reference)
    found = explain(view, bank, Network(backbone.module()), method, backbone.spec.offset)
    shown: dict[str, Any] = {"bank": str(bank_file), "image": str(image)}
    shown |= document(found, bank.backbone.precision)
    if out is not None:
        write_atomically(out, over(_whole(image, limits), found))
        shown["picture"] = str(out)
    if json_output:
        print_json(shown)
        return
    print_facts(facts(shown))
    say(shown["meaning"])


def _whole(image: Path, limits: ImageLimits) -> Any:
    """At its own size, whatever scale it was inspected at."""
    whole = read_image(image, limits)
    if isinstance(whole, ImageRefused):
        raise whole
    return whole
