"""``nominal build``: a folder of good images -> a bank file; ``nominal show``: what a bank holds and promises."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli import app
from app.cli import options as o
from app.cli.console import Json, build_progress, notice, print_facts, print_json, say
from app.imaging.decode import ImageLimits
from app.imaging.folders import list_images
from app.inspection.backbones import precisions_for
from app.inspection.engine import Engine
from app.learning.learn import (
    Hooks,
    check_groups,
    check_supported,
    check_target,
    groups_of,
    image_files,
    learn,
    parts_of,
)
from core.bank import Bank, load_bank, save_bank
from core.build import BuildLimits
from core.config import DetectorConfig
from core.detector import thresholds_of
from core.groups import choose
from core.input.mask import inspected_share
from core.judging.calibration import advice_for_few, supported_rate
from core.judging.conformal import promise_over_parts
from core.judging.groups import group_sizes
from nominal_client.folders import relative_names
from nominal_client.litter import left_out, sentences

BankFile = Annotated[Path, typer.Argument(help="Bank file.")]


@app.command()
@o.grouped
def show(
    bank_file: BankFile,
    machine: o.Machine,
    check: Annotated[
        bool, typer.Option("--check", help="Score the conformance images on this machine.")
    ] = False,
    json_output: Json = False,
) -> None:
    """Show a bank. Loading it verifies its integrity; --check verifies its conformance."""
    bank = load_bank(bank_file)
    shown = facts(bank)
    if check:
        extractor = machine.load(bank.backbone.name, precisions_for(bank.backbone, machine.precision)[0])
        shown["checked_in"] = f"{extractor.runtime}, {extractor.precision}"
        shown["conformance_difference"] = Engine(extractor, bank).prove()
    if json_output:
        print_json({"bank": str(bank_file), **shown})
    else:
        print_facts(shown)
        say(promises(bank))


def facts(bank: Bank) -> dict[str, Any]:
    """What ``show --json`` prints of a bank."""
    thresholds, values = thresholds_of(bank), bank.config.values()
    return {
        "backbone": bank.backbone.name,
        "weights_digest": bank.backbone.digest,
        "runtime": bank.backbone.runtime,
        "precision": bank.backbone.precision,
        **{name: values[setting] for name, setting in o.SHOWN.items()},
        **{name: getattr(bank.config, name).text for name in o.WHOLE},
        "registered_by": bank.reference and bank.reference.method,
        "reference": bank.reference and bank.reference.name,
        "inspected_share": inspected_share(bank.config.input.mask),
        "bank_vectors": len(bank.vectors),
        "dimension": bank.vectors.shape[1],
        "nominal_images": len(bank.provenance.images),
        "nominal_parts": groups_of(bank).count,
        "grouped_by": bank.grouped_by,
        "covering_radius": bank.coreset.covering_radius,
        "index_recall": bank.index.recall,
        "threshold_review": thresholds.review,
        "threshold_reject": thresholds.reject,
        "supported_false_reject": supported_rate(len(group_sizes(bank.calibration_groups))),
    }


def promises(bank: Bank) -> str:
    """Of how many parts the bank is, what its threshold promises and, of few, what that means, in sentences."""
    scores, groups = bank.calibration_scores, bank.calibration_groups
    promise = promise_over_parts(scores, groups, bank.config.target_false_reject).text
    advice = advice_for_few(len(group_sizes(groups)), bank.config.augment.views > 1)
    return "\n".join(filter(None, (parts_of(bank), promise, advice)))


@app.command()
@o.grouped
def build(
    folder: Annotated[Path, typer.Argument(help="Folder of good images.")],
    out: Annotated[Path, typer.Option("--out", help="Bank file to write.")],
    *,
    backbone: o.BackboneName = "auto",
    machine: o.Machine,
    config: DetectorConfig,
    images: ImageLimits,
    memory_mb: o.MemoryMb = o.MEMORY_MB,
    groups: o.GroupsOption = "auto",
    mask: o.MaskOption = None,
    skip_bad: o.SkipBad = False,
    recursive: Annotated[bool, typer.Option("--recursive", help="Read subfolders too.")] = False,
    json_output: Json = False,
) -> None:
    """Learn a bank from a folder of good images, with its threshold."""
    config = replace(config, input=o.masked(config.input, mask, images))
    paths = list_images(folder, recursive)
    beside = left_out(folder, paths)
    for sentence in sentences(beside):
        notice(sentence)
    check_supported(len(paths), config)
    names = relative_names(paths, folder)
    known = choose(groups, names)
    if known is not None:
        check_groups(known, config)
    check_target(out)
    extractor = machine.load(backbone)
    if extractor.notice:
        notice(extractor.notice)
    limits = BuildLimits(memory_mb << 20)
    with build_progress() as progress:
        files = image_files(paths, names, config.input, images)
        hooks = Hooks(progress, say=notice, skip_bad=skip_bad)
        built = learn(files, extractor, config, hooks, limits, known)
    save_bank(built.bank, out)
    if json_output:
        skipped = [{"image": name, "reason": reason} for name, reason in built.skipped]
        left = [asdict(each) for each in beside]
        print_json(
            {
                "bank": str(out),
                **facts(built.bank),
                "skipped": skipped,
                "left_out": left,
                "notices": built.notices,
            }
        )
    else:
        say(f"Wrote {out}")
        say(promises(built.bank))
