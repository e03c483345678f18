"""``nominal remote inspect``: images -> scores and decisions of a server, and overlays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from app.cli.console import Json, notice, plain, print_json, stdout
from app.cli.remote.group import Bank, client_of, commands
from app.client import NominalClient, ProblemError, picture_bytes
from app.client.inspections import Asked
from app.http.schemas.inspections import Inspection
from core.files import write_atomically

COLOURS = {"accept": "green", "review": "yellow", "reject": "red"}


@commands.command()
def inspect(
    ctx: typer.Context,
    bank: Bank,
    images: Annotated[list[Path], typer.Argument(help="Image files.")],
    overlays: Annotated[
        Path | None, typer.Option("--overlays", help="Folder for a picture of each map over its image.")
    ] = None,
    serial: Annotated[str | None, typer.Option("--serial", help="Serial number of the part.")] = None,
    station: Annotated[str | None, typer.Option("--station", help="Where it was photographed.")] = None,
    within: Annotated[
        float | None,
        typer.Option("--within", help="Seconds for each answer; refused if it cannot come by then."),
    ] = None,
    json_output: Json = False,
) -> None:
    """Inspect images on the server. One that is refused is named and the rest inspected; the exit status is 1."""
    said: Asked = {}
    if serial is not None:
        said["serial"] = serial
    if station is not None:
        said["station"] = station
    client = client_of(ctx)
    targets = overlay_paths(overlays, images)
    answers = [_inspected(client, bank, *each, within, said) for each in zip(images, targets, strict=True)]
    if json_output:
        print_json({"bank": bank, "inspections": answers})
    else:
        stdout.print(_table(answers))
    refused = [answer for answer in answers if "error" in answer]
    for answer in refused:
        notice(f"{answer['image']}: {answer['error']}")
    if refused:
        raise typer.Exit(1)


def overlay_paths(folder: Path | None, images: list[Path]) -> Iterator[Path | None]:
    """Where each image's overlay goes, named after it; images of one name get numbers."""
    taken: set[str] = set()
    for image in images:
        names = (f"{image.stem}{'' if n == 1 else f'-{n}'}_overlay.png" for n in range(1, len(images) + 1))
        name = next(name for name in names if name not in taken)
        taken.add(name)
        yield folder / name if folder else None


def row_of(found: Inspection) -> list[Any]:
    """Score, threshold, decision, regions and nearest nominal patch, for a table."""
    near = found.nearest
    return [
        f"{found.score:.3f}",
        f"{found.thresholds.reject:.3f}",
        f"[{COLOURS[found.decision]}]{found.decision}[/]",
        str(len(found.regions)),
        plain(f"{near.image} ({near.row}, {near.column})" if near else "-"),
    ]


def _inspected(
    client: NominalClient, bank: str, image: Path, target: Path | None, within: float | None, said: Asked
) -> dict[str, Any]:
    try:
        found = client.inspect(bank, image, heatmap="overlay" if target else "none", within=within, **said)
    except ProblemError as error:
        if not error.slug.startswith("image-"):
            raise  # it is not this image's fault
        return {"image": str(image), "error": str(error)}
    except OSError as error:
        return {"image": str(image), "error": error.strerror or str(error)}
    if target is not None and found.heatmap is not None:
        write_atomically(target, picture_bytes(found.heatmap))
    return {"image": str(image), **found.model_dump(mode="json", exclude={"heatmap"})}


def _table(answers: list[dict[str, Any]]) -> Table:
    table = Table("image", "score", "threshold", "decision", "regions", "nearest nominal patch", box=None)
    for answer in answers:
        name = plain(Path(answer["image"]).name)
        if "error" in answer:
            table.add_row(name, "-", "-", "[red]refused[/]", "-", "-")
        else:
            table.add_row(name, *row_of(Inspection.model_validate(answer)))
    return table
