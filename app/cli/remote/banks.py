"""``nominal remote banks``, ``upload``, ``screen``, ``build``, ``cancel``, ``versions``: what is taught and served."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli.console import (
    Columns,
    Json,
    build_progress,
    notice,
    print_facts,
    print_json,
    print_list,
    print_rows,
    print_screening,
    say,
    transferring,
)
from core.config import EXPECTED_SUSPECTS
from core.input.mask import inspected_share
from nominal_client import BadArgument, Client
from nominal_client.answers.banks import UploadedFiles
from nominal_client.answers.jobs import Job
from nominal_client.litter import LeftOut, sentences
from nominal_client.uploads import files_of

commands = typer.Typer()
banks = typer.Typer(no_args_is_help=True, help="List, create, show and delete banks.")
versions = typer.Typer(no_args_is_help=True, help="List, activate, roll back, download and import versions.")
commands.add_typer(banks, name="banks")
commands.add_typer(versions, name="versions")

Bank = Annotated[str, typer.Argument(help="Bank's id.")]
Number = Annotated[int, typer.Argument(help="Version's number.")]


def client_of(ctx: typer.Context) -> Client:
    """The client of the command that runs."""
    found: Client = ctx.obj
    return found


@banks.command("list")
def list_banks(ctx: typer.Context, json_output: Json = False) -> None:
    """List every bank with its active version."""
    found = list(client_of(ctx).list_banks())
    columns = {"bank": "id", "title": "title", "active version": "active_version"}
    print_list("banks", found, json_output, columns | {"pinned": "pinned", "changed": "updated_at"})


@banks.command()
def create(
    ctx: typer.Context,
    bank: Annotated[str, typer.Argument(help="New id: a-z, 0-9, '_' and '-'.")],
    title: Annotated[str, typer.Option("--title", help="Any text.")] = "",
    size: Annotated[int | None, typer.Option("--size", help="Side of the input in pixels.")] = None,
    config: Annotated[
        str, typer.Option("--config", help='Other settings of builds as JSON: {"coreset_ratio": 0.05}.')
    ] = "{}",
    target_false_reject: Annotated[
        float | None, typer.Option("--target-false-reject", help="Share of good parts that may be rejected.")
    ] = None,
    target_review: Annotated[
        float | None,
        typer.Option("--target-review", help="Share that may be reviewed or rejected (default: no review)."),
    ] = None,
    pinned: Annotated[bool, typer.Option("--pinned", help="Keep its active version in memory.")] = False,
    json_output: Json = False,
) -> None:
    """Create a bank: one view of one product."""
    settings = _object(config)
    if size is not None:
        settings["input"] = {**settings.get("input", {}), "size": size}
    made = client_of(ctx).create_bank(
        bank,
        title,
        config=settings,
        target_false_reject=target_false_reject,
        target_review=target_review,
        pinned=pinned,
    )
    print_json(made.model_dump(mode="json")) if json_output else say(f"Created {made.id}")


@banks.command()
def show(ctx: typer.Context, bank: Bank, json_output: Json = False) -> None:
    """Show a bank: its nominal set, version, thresholds and config."""
    found = client_of(ctx).get_bank(bank).model_dump(mode="json")
    if json_output:
        return print_json(found)
    looked_at = found["config"].get("input", {})
    if looked_at.get("mask"):
        looked_at["mask"] = f"{inspected_share(looked_at['mask']):.0%} of a photograph"
    print_facts(found)


@banks.command()
def delete(
    ctx: typer.Context,
    bank: Bank,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> None:
    """Delete a bank with its images, versions and jobs; its inspections stay."""
    if not yes:
        typer.confirm(f"Delete {bank} with its images and versions?", abort=True, err=True)
    client_of(ctx).delete_bank(bank)
    say(f"Deleted {bank}")


@banks.command()
def mask(
    ctx: typer.Context,
    bank: Bank,
    file: Annotated[
        Path | None,
        typer.Argument(help="A picture, bright where photographs are inspected, or outlines as JSON."),
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Inspect everything again.")] = False,
    json_output: Json = False,
) -> None:
    """Show where photographs are inspected, set it by a file, or remove it. It counts from the next build."""
    if remove and file is not None:
        raise BadArgument(
            "a mask is either set or removed", "a file and --remove", "Leave one of the two out."
        )
    client = client_of(ctx)
    if remove:
        client.remove_mask(bank)
        say(f"{bank} inspects everything from the next build on")
        return
    found = client.get_mask(bank) if file is None else client.set_mask(bank, file)
    if json_output:
        print_json(found.model_dump())
    else:
        say(
            f"{found.inspected_share:.0%} of a photograph, {found.inspected_patches:,} of {found.patches:,} patches"
        )


@commands.command()
def upload(
    ctx: typer.Context,
    bank: Bank,
    files: Annotated[list[Path], typer.Argument(help="A folder of good images, or images, zips and tars.")],
    serial: Annotated[
        str | None, typer.Option("--serial", help="Serial number of the part that all of them show.")
    ] = None,
    groups: Annotated[
        str | None,
        typer.Option(
            "--groups",
            help="Parts of the images: a regular expression over their names, or a file of lines image,part.",
        ),
    ] = None,
    json_output: Json = False,
) -> None:
    """Add good images to a bank's nominal set. Repeating it is harmless; the exit status is 1 if any is rejected."""
    chosen = files[0] if len(files) == 1 else files
    with transferring("Sending") as progress:
        serials = serial if groups is None else _serials(groups, [file.name for file in files_of(chosen)])
        uploaded = client_of(ctx).upload_images(bank, chosen, serials=serials, progress=progress)
    tell(uploaded)
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
    activate: Annotated[bool, typer.Option(help="Make the finished version the active one.")] = True,
    groups: Annotated[
        str | None,
        typer.Option(
            "--groups",
            help="Images of one part: serial by their serial numbers, auto those that look alike, none: each shows "
            "another. Default: serial where uploaded images have one, else auto.",
        ),
    ] = None,
    wait: Annotated[bool, typer.Option(help="Watch the build until it ends.")] = True,
    json_output: Json = False,
) -> None:
    """Build a version from a bank's nominal set and watch it."""
    client = client_of(ctx)
    job = client.start_build(bank, activate=activate, groups=groups)
    if wait:
        job = watch(client, job)
    if json_output:
        print_json(job.model_dump(mode="json"))
    elif wait:
        summary = client.get_version(bank, job.version or 0).summary
        active = activate and job.not_activated is None
        say(f"Version {job.version} of {bank} {'is active' if active else 'is built'}")
        say(f"It was not activated: {job.not_activated}" if job.not_activated else summary.get("promise", ""))
    else:
        say(f"Job {job.id}")


@commands.command()
def screen(
    ctx: typer.Context,
    bank: Bank,
    expected: Annotated[
        float,
        typer.Option("--expect", help="Share of images that may not belong; twice as many are listed."),
    ] = EXPECTED_SUSPECTS,
    groups: Annotated[
        str | None, typer.Option("--groups", help="Images of one part, as of a build: serial, auto or none.")
    ] = None,
    json_output: Json = False,
) -> None:
    """Look over a bank's nominal set: parts, copies, suspects, mixtures. Nothing is removed."""
    client = client_of(ctx)
    watch(client, client.start_screening(bank, expected=expected, groups=groups))
    found = client.get_screening(bank).found
    assert found is not None  # its job has succeeded
    report = found.report.model_dump(mode="json")
    if json_output:
        print_json(report)
    else:
        print_screening(_by_name(report, found.report.names))


def _by_name(found: Any, names: dict[str, str]) -> Any:
    """A report's value with the images' names in place of their digests."""
    if isinstance(found, list):
        return [_by_name(each, names) for each in found]
    if isinstance(found, dict):
        return {key: _by_name(each, names) for key, each in found.items()}
    return names.get(found, found) if isinstance(found, str) else found


@commands.command()
def cancel(ctx: typer.Context, job: Annotated[str, typer.Argument(help="Job's id.")]) -> None:
    """Cancel a build, a screening, a check or advice; it stops within about a second."""
    say(f"Job {job}: {client_of(ctx).cancel_job(job).state}, cancelling")


@versions.command("list")
def list_versions(ctx: typer.Context, bank: Bank, json_output: Json = False) -> None:
    """List every version of a bank, newest first."""
    found = client_of(ctx).list_versions(bank)
    columns: Columns = {
        "version": "number",
        "active": "active",
        "state": lambda v: v.state if v.reason is None else f"{v.state}: {v.reason}",
        "images": lambda v: v.summary.get("images"),
        "vectors": lambda v: v.summary.get("vectors"),
        "threshold": lambda v: v.summary.get("reject_threshold"),
        "built": "created_at",
    }
    print_list("versions", found, json_output, columns)


@versions.command()
def calibration(ctx: typer.Context, bank: Bank, version: Number, json_output: Json = False) -> None:
    """Show what a version promises, and the nominal images that look least nominal."""
    found = client_of(ctx).get_calibration(bank, version)
    if json_output:
        print_json(found.model_dump(mode="json"))
        return
    say(found.promise.text if found.promise else found.reason or f"{found.images} nominal images")
    columns = {"score": "score", "hardest nominal image": "name", "in the set": "present"}
    print_rows(found.hardest, columns)


@versions.command()
def fits(ctx: typer.Context, bank: Bank, version: Number, json_output: Json = False) -> None:
    """Show what parts are brought onto, and how well nominal images fit it, worst first."""
    found = client_of(ctx).get_fits(bank, version)
    if json_output:
        print_json(found.model_dump(mode="json"))
        return
    by = f"{found.keypoints:,} keypoints" if found.method == "sift" else "edges"
    say(f"Reference: {found.reference.name}, {by}; a part with a fit below {found.level:.2f} is not located")
    columns: Columns = {
        "fit": "fit",
        "image": lambda one: one.image.name,
        "inliers": "inliers",
        "residual": "residual",
        "degrees": "rotation",
        "shift": lambda one: one.shift and "{:.0f}, {:.0f}".format(*one.shift),
        "scale": "scale",
    }
    print_rows(found.items, columns)
    for one in found.left_out:
        say(f"Left out: {one.image.name}: {one.reason}")


@versions.command()
def compare(
    ctx: typer.Context,
    bank: Bank,
    a: Number,
    b: Number,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=500, help="Compare at most this many inspections.")
    ] = 100,
    json_output: Json = False,
) -> None:
    """Run two versions over kept images of past inspections; show what they decide differently."""
    pairs = client_of(ctx).compare_versions(bank, a, b, limit=limit)
    if json_output:
        print_json({"pairs": [pair.model_dump(mode="json") for pair in pairs]})
        return
    learnt = [pair for pair in pairs if pair.learnt]
    unseen = [pair for pair in pairs if not pair.learnt]
    flipped = [pair for pair in unseen if pair.flipped and pair.a and pair.b]
    say(f"{len(flipped)} of {len(unseen)} inspections are decided differently")
    if learnt:
        say(f"Left out: {len(learnt)} whose image a version learnt, so that it cannot be judged by it")
    columns: Columns = {
        "inspection": "inspection.id",
        "verdict": "inspection.verdict",
        f"version {a}": lambda pair: f"{pair.a.score:.3f} {pair.a.decision}",
        f"version {b}": lambda pair: f"{pair.b.score:.3f} {pair.b.decision}",
    }
    if flipped:
        print_rows(flipped, columns)


@versions.command()
def activate(ctx: typer.Context, bank: Bank, version: Number) -> None:
    """Serve this version from now on."""
    say(f"Version {client_of(ctx).activate_version(bank, version).active_version} of {bank} is active")


@versions.command("roll-back")
def roll_back(ctx: typer.Context, bank: Bank) -> None:
    """Activate the newest sound version before the active one."""
    say(f"Version {client_of(ctx).roll_back(bank).active_version} of {bank} is active")


@versions.command()
def download(
    ctx: typer.Context,
    bank: Bank,
    version: Number,
    out: Annotated[Path, typer.Option("--out", help="Bank file to write.")],
) -> None:
    """Save a version as a bank file."""
    say(f"Wrote {client_of(ctx).download_version(bank, version, out)}")


@versions.command("import")
def import_(
    ctx: typer.Context,
    bank: Bank,
    file: Annotated[Path, typer.Argument(help="Bank file.")],
    activate: Annotated[bool, typer.Option("--activate", help="Make it the active version.")] = False,
) -> None:
    """Import a bank file as the bank's next version."""
    version = client_of(ctx).import_version(bank, file, activate=activate)
    say(f"Version {version.number} of {bank}{' is active' if activate else ''}")


def tell(uploaded: UploadedFiles) -> None:
    """What was left out of an upload or rejected, and why."""
    for sentence in sentences(LeftOut(each.name, each.reason, each.files) for each in uploaded.left_out):
        notice(sentence)
    for file in uploaded.files:
        if file.status == "rejected":
            notice(f"{file.name}: {(file.problem or {}).get('detail', 'rejected')}")


def watch(client: Client, job: Job) -> Job:
    """The job at its end, its progress shown meanwhile. Raises BuildFailed."""
    with build_progress() as show:
        before: tuple[str, int] | None = None  # stage and its total

        def heard(latest: Job) -> None:
            nonlocal before
            if latest.stage is None or not latest.total:
                return
            if before is not None and before[0] != latest.stage:
                show(before[0], before[1], before[1])  # its last steps were not reported
            show(latest.stage, latest.done, latest.total)
            before = latest.stage, latest.total

        try:
            return client.wait_for_job(job.id, progress=heard)
        except KeyboardInterrupt:
            notice(f"The {job.kind} goes on. To end it: nominal remote cancel {job.id}")
            raise


def _serials(groups: str, names: list[str]) -> dict[str, str]:
    """The part of each file by name. Raises GroupsError, BadArgument."""
    from core.groups import choose  # loads torch, which other commands do without

    found = choose(groups, names)
    if found is None or found.names is None:
        raise BadArgument(
            requirement="--groups of an upload must be a regular expression or a file",
            received=groups,
            remedy="Say auto or none when you build.",
        )
    parts = [found.names[label] for label in found.labels]
    return dict(zip(names, parts, strict=True))


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise BadArgument(
            requirement="--config must be a JSON object",
            received=text[:80],
            remedy="Check its quotes: the shell removes unprotected ones.",
        )
    return value
