"""``nominal remote upload``, ``build`` and ``cancel``: a nominal set becomes a version."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from app.cli.console import Json, build_progress, notice, print_json, say, stderr
from app.cli.remote.group import Bank, client_of, commands
from app.client import NominalClient
from app.http.schemas.jobs import Job


@commands.command()
def upload(
    ctx: typer.Context,
    bank: Bank,
    files: Annotated[list[Path], typer.Argument(help="A folder of good images, or images, zips and tars.")],
    json_output: Json = False,
) -> None:
    """Add good images to a bank's nominal set. Sending them again is harmless; the exit status is 1 if any is bad."""
    chosen = files[0] if len(files) == 1 else files
    with sending() as progress:
        uploaded = client_of(ctx).upload_images(bank, chosen, progress=progress)
    for file in uploaded.files:
        if file.status == "rejected":
            notice(f"{file.name}: {(file.problem or {}).get('detail', 'rejected')}")
    if json_output:
        print_json(uploaded.model_dump(mode="json"))
    else:
        say(
            f"{uploaded.accepted} accepted, {uploaded.duplicate} known before, {uploaded.rejected} rejected; "
            f"{uploaded.nominal_images} in the bank"
        )
    if uploaded.rejected:
        raise typer.Exit(1)


@commands.command()
def build(
    ctx: typer.Context,
    bank: Bank,
    activate: Annotated[
        bool, typer.Option(help="Whether the finished version becomes the active one.")
    ] = True,
    wait: Annotated[bool, typer.Option(help="Whether to watch it to its end.")] = True,
    json_output: Json = False,
) -> None:
    """Build a version from a bank's nominal set and watch it."""
    client = client_of(ctx)
    job = client.start_build(bank, activate=activate)
    if wait:
        job = watch(client, job)
    if json_output:
        print_json(job.model_dump(mode="json"))
    elif wait:
        summary = client.get_version(bank, job.version or 0).summary
        say(f"Version {job.version} of {bank} {'is active' if activate else 'is built'}")
        say(summary.get("promise", ""))
    else:
        say(f"Job {job.id}")


@commands.command()
def cancel(ctx: typer.Context, job: Annotated[str, typer.Argument(help="Job's id.")]) -> None:
    """Cancel a build; it stops within about a second."""
    say(f"Job {job}: {client_of(ctx).cancel_job(job).state}, cancelling")


def watch(client: NominalClient, job: Job) -> Job:
    """The job at its end, its progress shown meanwhile. Raises BuildFailed."""
    with build_progress() as show:
        before: tuple[str, int] | None = None  # stage and its total

        def heard(latest: Job) -> None:
            nonlocal before
            if latest.stage is None or not latest.total:
                return
            if before is not None and before[0] != latest.stage:
                show(before[0], before[1], before[1])  # its last steps were not told
            show(latest.stage, latest.done, latest.total)
            before = latest.stage, latest.total

        try:
            return client.wait_for_job(job.id, progress=heard)
        except KeyboardInterrupt:
            notice(f"The build goes on. To end it: nominal remote cancel {job.id}")
            raise


@contextmanager
def sending() -> Iterator[Callable[[int, int], None]]:
    """A bar of bytes sent, shown while the block runs."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=stderr) as bars:
        task = bars.add_task("Sending", total=None)
        yield lambda sent, total: bars.update(task, completed=sent, total=total)
