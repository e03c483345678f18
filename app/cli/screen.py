"""``nominal screen``: a folder of good images -> what a person should look at before a bank is built of them."""

from __future__ import annotations

import base64
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from app.cli import app
from app.cli import options as o
from app.cli.console import MIXTURES, Json, build_progress, notice, print_json, print_screening, say
from app.errors import FolderError, ImageRefused
from app.imaging.decode import ImageLimits
from app.imaging.folders import list_images, read_image
from app.imaging.pictures import FADING, SMALLEST, overlay, thumbnail
from app.learning.learn import Hooks
from app.learning.screening import Screened, file_sources, screened
from core.build import BuildLimits
from core.config import EXPECTED_SUSPECTS, DetectorConfig, InputConfig
from core.files import write_atomically
from core.groups import choose
from core.input.photograph import Image
from nominal_client.folders import relative_names
from nominal_client.litter import left_out

PICTURES, SETS = 12, 40  # images of one set and sets of one list that the page shows
SMALL, LARGE = 208, 320  # pixels a side of its pictures: twice the size that they are shown at


@app.command()
@o.grouped
def screen(
    folder: Annotated[Path, typer.Argument(help="Folder of good images.")],
    *,
    html: Annotated[Path | None, typer.Option("--html", help="Page with pictures to write.")] = None,
    expected: Annotated[
        float,
        typer.Option("--expect", help="Share of images that may not belong; twice as many are listed."),
    ] = EXPECTED_SUSPECTS,
    backbone: o.BackboneName = "auto",
    machine: o.Machine,
    input_: InputConfig,
    seed: Annotated[int, typer.Option("--seed", help=o.SHOWN["seed"].help)] = 0,
    images: ImageLimits,
    memory_mb: o.MemoryMb = o.MEMORY_MB,
    groups: o.GroupsOption = "auto",
    mask: o.MaskOption = None,
    recursive: Annotated[bool, typer.Option("--recursive", help="Read subfolders too.")] = False,
    json_output: Json = False,
) -> None:
    """Look a folder of good images over before a build: parts, copies, suspects, mixtures. Nothing is removed."""
    paths = list_images(folder, recursive)
    names = relative_names(paths, folder)
    known = choose(groups, names)
    if html is not None:
        _check_place(html)
    config = DetectorConfig(input=o.masked(input_, mask, images), seed=seed)
    extractor = machine.load(backbone)
    if extractor.notice:
        notice(extractor.notice)
    with build_progress() as progress:
        found = screened(
            file_sources(paths, names, images),
            extractor,
            config,
            Hooks(progress, say=notice),
            BuildLimits(memory_mb << 20),
            known,
            expected,
            left_out(folder, paths),
            images,
        )
    document = found.document()
    if html is not None:
        page = _page(folder, found, document, dict(zip(names, paths, strict=True)), images)
        write_atomically(html, page.encode())
    if json_output:
        print_json({"folder": str(folder), **document})
    else:
        print_screening(document)
        if html is not None:
            say(f"\nWrote {html}")


def _page(
    folder: Path, found: Screened, document: dict[str, Any], paths: dict[str, Path], limits: ImageLimits
) -> str:
    """One file without scripts, its pictures inside."""
    environment = Environment(
        loader=PackageLoader("app.cli"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    return environment.get_template("screening.html").render(
        title=folder.resolve().name,
        found=document,
        mixtures=[(title, document[what]) for what, title in MIXTURES.items() if len(document[what]) > 1],
        picture=lambda name: _url(_image(paths[name], limits), SMALL),
        overlay=partial(_overlay, found, paths, limits),
        shown=PICTURES,
        sets=SETS,
    )


def _overlay(found: Screened, paths: dict[str, Path], limits: ImageLimits, place: int) -> str:
    core = found.found
    suspect = core.suspects[place]
    image = _image(paths[core.names[suspect.image]], limits)
    return _url(overlay(image, core.heat(suspect), max(core.level, SMALLEST), opacities=FADING), LARGE)


def _image(path: Path, limits: ImageLimits) -> Image:
    found = read_image(path, limits)
    if isinstance(found, ImageRefused):
        raise found
    return found


def _url(image: Image, side: int) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(thumbnail(image, side)).decode("ascii")


def _check_place(page: Path) -> None:
    """Refuse before any work what cannot be written after it."""
    if page.is_dir() or not page.parent.is_dir():
        raise FolderError(
            requirement="The page must be written to a file in a folder that exists",
            received=str(page),
            remedy="Choose another place.",
        )
