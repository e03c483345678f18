"""``nominal build``: a folder of good images -> a bank file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.cli import app
from app.cli import options as o
from app.cli.console import Json, build_progress, notice, print_json, say
from app.cli.show import facts, promises
from app.imaging.folders import list_images, relative_names
from app.learning.learn import build_bank, check_supported, check_target
from app.ops.threads import own_cores
from core.bank import save_bank
from core.build import BuildLimits
from models.backbone import load_backbone


@app.command()
def build(
    folder: Annotated[Path, typer.Argument(help="Folder of good images.")],
    out: Annotated[Path, typer.Option("--out", help="Bank file to write.")],
    backbone: o.BackboneName = "auto",
    weights: o.Weights = None,
    offline: o.Offline = False,
    runtime: o.Runtime = "auto",
    precision: o.Precision = "auto",
    threads: o.Threads = None,
    size: o.Size = o.SIZE,
    fit: o.FitOption = o.FIT,
    crop: o.Crop = None,
    reduced_jpeg: o.ReducedJpeg = False,
    coreset_ratio: o.Ratio = o.RATIO,
    max_bank_vectors: o.MaxVectors = o.MAX_VECTORS,
    min_bank_vectors: o.MinVectors = o.MIN_VECTORS,
    seed: o.Seed = o.SEED,
    target_false_reject: o.Target = o.TARGET,
    target_review: o.Review = None,
    reweight: o.Reweight = False,
    patch_size: o.PatchSize = o.PATCH_SIZE,
    stride: o.Stride = o.STRIDE,
    index: o.IndexKind = o.INDEX,
    pca: o.Pca = None,
    memory_mb: o.MemoryMb = o.MEMORY_MB,
    skip_bad: o.SkipBad = False,
    recursive: Annotated[bool, typer.Option("--recursive", help="Read subfolders too.")] = False,
    json_output: Json = False,
) -> None:
    """Learn a bank from a folder of good images, with its threshold."""
    config = o.detector_config(
        size=size,
        fit=fit,
        crop=crop,
        reduced_jpeg=reduced_jpeg,
        ratio=coreset_ratio,
        max_vectors=max_bank_vectors,
        min_vectors=min_bank_vectors,
        seed=seed,
        target=target_false_reject,
        review=target_review,
        reweight=reweight,
        patch_size=patch_size,
        stride=stride,
        index=index,
        pca=pca,
    )
    paths = list_images(folder, recursive)
    check_supported(len(paths), config)
    check_target(out)
    extractor = load_backbone(backbone, weights, not offline, runtime, own_cores(threads), precision)
    if extractor.notice:
        notice(extractor.notice)
    limits = BuildLimits(memory_mb << 20)
    with build_progress() as progress:
        names = relative_names(paths, folder)
        built = build_bank(paths, names, extractor, config, limits, skip_bad, progress, say=notice)
    save_bank(built.bank, out)
    if json_output:
        skipped = [{"image": name, "reason": reason} for name, reason in built.skipped]
        print_json({"bank": str(out), **facts(built.bank), "skipped": skipped})
    else:
        say(f"Wrote {out}")
        say(promises(built.bank))
