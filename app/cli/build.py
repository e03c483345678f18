"""``nominal build``: a folder of good images -> a bank file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.cli import app
from app.cli import options as o
from app.cli.console import Json, build_progress, notice, print_json, say
from app.cli.show import facts, promises
from app.imaging.decode import ImageLimits
from app.imaging.folders import list_images, relative_names
from app.learning.learn import Hooks, check_groups, check_supported, check_target, image_files, learn
from core.bank import save_bank
from core.build import BuildLimits
from core.config import DetectorConfig
from core.groups import choose


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
    skip_bad: o.SkipBad = False,
    recursive: Annotated[bool, typer.Option("--recursive", help="Read subfolders too.")] = False,
    json_output: Json = False,
) -> None:
    """Learn a bank from a folder of good images, with its threshold."""
    paths = list_images(folder, recursive)
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
        print_json({"bank": str(out), **facts(built.bank), "skipped": skipped})
    else:
        say(f"Wrote {out}")
        say(promises(built.bank))
