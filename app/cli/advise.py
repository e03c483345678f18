"""``nominal advise``: a folder of good images -> which settings to build with, from trials on a part of them."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from app.cli import app
from app.cli import options as o
from app.cli.advice_table import print_advice
from app.cli.console import Json, build_progress, notice, print_json, say
from app.imaging.decode import ImageLimits
from app.imaging.folders import list_images
from app.imaging.published import open_dataset
from app.insight.evaluate import evaluation_images
from app.learning.advising import Advising, Labelled
from app.learning.learn import Hooks
from app.learning.screening import file_sources
from core.advice.budget import check_within
from core.advice.report import Advice, options
from core.build import BuildLimits
from core.config import DetectorConfig
from core.groups import choose
from models.backbone import Backbone, load_backbone
from models.weights import list_weights
from nominal_client.folders import relative_names
from nominal_client.litter import left_out, sentences


@app.command()
@o.grouped
def advise(
    folder: Annotated[Path, typer.Argument(help="Folder of good images.")],
    *,
    test: Annotated[
        Path | None,
        typer.Option("--test", help="Set with labelled defects to judge by, in a form of docs/images.md."),
    ] = None,
    within: Annotated[
        float | None,
        typer.Option("--within", help="Seconds to take; by default at most three plain builds of CPU time."),
    ] = None,
    backbone: o.BackboneName = "auto",
    machine: o.Machine,
    config: DetectorConfig,
    images: ImageLimits,
    memory_mb: o.MemoryMb = o.MEMORY_MB,
    groups: o.GroupsOption = "auto",
    mask: o.MaskOption = None,
    recursive: Annotated[bool, typer.Option("--recursive", help="Read subfolders too.")] = False,
    json_output: Json = False,
) -> None:
    """Try sizes, scores, metrics, copies, fits and backbones on a part of the images; say what to take."""
    check_within(within)
    config = replace(config, input=o.masked(config.input, mask, images))
    paths = list_images(folder, recursive)
    for sentence in sentences(left_out(folder, paths)):
        notice(sentence)
    names = relative_names(paths, folder)
    tests = [] if test is None else evaluation_images(open_dataset(test))
    known = choose(groups, [*names, *(image.name for image in tests)])
    extractor = machine.load(backbone)
    if extractor.notice:
        notice(extractor.notice)
    labelled = [
        (source, image.label)
        for source, image in zip(
            file_sources([image.path for image in tests], [image.name for image in tests], images),
            tests,
            strict=True,
        )
    ]
    with build_progress() as progress:
        advising = Advising(
            file_sources(paths, names, images),
            _at_hand(extractor, machine),
            config,
            Hooks(progress, say=notice),
            BuildLimits(memory_mb << 20),
            known,
            Labelled(labelled) if labelled else None,
            within,
            images,
        )
        try:
            advising.run()
        except KeyboardInterrupt:
            if advising.advice is None:
                raise
            notice("Stopped; what follows was known by then.")
    found = advising.advice
    assert found is not None
    command = _command(folder, found, mask, recursive)
    if json_output:
        print_json({"folder": str(folder), **found.to_json(), "command": command})
    else:
        print_advice(found.to_json())
        say(command)


def _at_hand(first: Backbone, machine: o.Machine) -> dict[str, Callable[[], Backbone]]:
    """What loads each backbone whose weights are here, in the runtime that was chosen for the first; never fetched."""
    runtime, threads, precision = first.runtime, machine.threads, first.precision
    others = [each.name for each in list_weights() if each.status == "ready" and each.name != first.spec.name]
    return {first.spec.name: lambda: first} | {
        name: partial(load_backbone, name, None, False, runtime, threads, precision) for name in others
    }


def _command(folder: Path, found: Advice, mask: Path | None, recursive: bool) -> str:
    """What builds with the settings to take."""
    best = found.trials[found.taken]
    words = ["nominal", "build", str(folder), "--out", "bank.nominal"]
    words += ["--backbone", best.backbone, *options(DetectorConfig(), best.config)]
    words += [] if mask is None else ["--mask", str(mask)]
    return shlex.join([*words, *(["--recursive"] if recursive else [])])
