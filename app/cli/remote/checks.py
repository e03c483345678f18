"""``nominal remote checks``: labelled images that every version of a bank is tried on."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Annotated

import typer

from app.cli.console import Json, notice, print_json, print_list, print_rows, say, transferring
from app.cli.remote.banks import Bank, client_of, tell, watch
from app.errors import FolderError
from app.imaging.published import open_dataset
from nominal_client import Client
from nominal_client.answers.checks import CheckedPage, Tried
from nominal_client.answers.insight import Share
from nominal_client.images import GivenImages

checks = typer.Typer(
    no_args_is_help=True, help="Try versions on labelled images: found, missed, false alarms."
)

Check = Annotated[str, typer.Argument(help="Check set's name: a-z, 0-9, '_' and '-'.")]
FIRST = 20  # images that a check names, missed and false alarms


@checks.command("list")
def list_sets(ctx: typer.Context, bank: Bank, json_output: Json = False) -> None:
    """List a bank's check sets."""
    found = client_of(ctx).list_check_sets(bank).items
    print_list("checks", found, json_output, {"check set": "name", "images": "images", "kinds": "kinds"})


@checks.command()
def upload(
    ctx: typer.Context,
    bank: Bank,
    check: Check,
    files: Annotated[list[Path], typer.Argument(help="A labelled set's folder, or images, zips and tars.")],
    kind: Annotated[
        str | None,
        typer.Option(
            "--kind", help="What all of them show: good, or a defect (default: what the folders say)."
        ),
    ] = None,
    json_output: Json = False,
) -> None:
    """Add labelled images to a check set. Repeating it is harmless; the exit status is 1 if any is rejected."""
    client, rejected = client_of(ctx), 0
    answers = []
    for shows, chosen in _labelled(files, kind):
        with transferring(f"Sending {shows or 'images'}") as progress:
            uploaded = client.upload_check_images(bank, check, chosen, kind=shows, progress=progress)
        tell(uploaded)
        rejected += uploaded.rejected
        answers.append(uploaded)
        if not json_output:
            say(
                f"{uploaded.accepted} accepted, {uploaded.duplicate} known before, {uploaded.rejected} rejected"
            )
    if json_output:
        print_json({"uploads": [each.model_dump(mode="json") for each in answers]})
    else:
        say(f"{answers[-1].images} images in {check}")
    if rejected:
        raise typer.Exit(1)


@checks.command()
def run(
    ctx: typer.Context,
    bank: Bank,
    check: Check,
    version: Annotated[
        int | None, typer.Option("--version", help="Version's number (default: the newest).")
    ] = None,
    json_output: Json = False,
) -> None:
    """Try a version on a check set and show what it finds and misses. New versions are tried by themselves."""
    client = client_of(ctx)
    job = watch(client, client.start_check(bank, check, version))
    _show(client, bank, check, int(job.request["version"]), json_output)


@checks.command()
def show(
    ctx: typer.Context,
    bank: Bank,
    check: Check,
    version: Annotated[
        int | None, typer.Option("--version", help="Only this version, with its images.")
    ] = None,
    json_output: Json = False,
) -> None:
    """Compare the versions that were tried on a check set, or show what one finds and misses."""
    client = client_of(ctx)
    if version is not None:
        return _show(client, bank, check, version, json_output)
    found = client.get_check_set(bank, check)
    if json_output:
        return print_json(found.model_dump(mode="json"))
    say(f"{found.images} images: {', '.join(f'{count} {kind}' for kind, count in found.kinds.items())}")
    print_rows(found.tried, {
        "version": "version", "found": lambda each: _of(each.found), "missed": "missed",
        "false alarms": lambda each: _of(each.alarms), "AUROC": "auroc", "scored": "created_at",
    })  # fmt: skip
    return None


@checks.command()
def delete(
    ctx: typer.Context,
    bank: Bank,
    check: Check,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> None:
    """Delete a check set with its images and what versions scored on it."""
    if not yes:
        typer.confirm(f"Delete {check} of {bank} with its images?", abort=True, err=True)
    client_of(ctx).delete_check_set(bank, check)
    say(f"Deleted {check}")


def _labelled(files: list[Path], kind: str | None) -> list[tuple[str | None, GivenImages]]:
    """What to send under which label: a published set by its own form, anything else as it is."""
    if kind is not None or len(files) != 1 or not files[0].is_dir():
        return [(kind, [*files] if len(files) > 1 else files[0])]
    try:
        dataset = open_dataset(files[0])
    except FolderError:
        return [(None, files[0])]
    tests = dataset.test_images()
    for sentence in dataset.aside:
        notice(sentence)
    return [
        (label, [(test.name, test.path) for test in some])
        for label, some in groupby(tests, lambda test: test.label)
    ]


def _show(client: Client, bank: str, check: str, version: int, json_output: bool) -> None:
    found = client.get_check(bank, check, version, limit=1000)
    if json_output:
        return print_json(found.model_dump(mode="json"))
    _figures(found)
    _wrong(found)
    return None


def _figures(tried: Tried) -> None:
    if tried.reason is not None:
        notice(tried.reason)
    say(f"Version {tried.version}: found {_of(tried.found)}, false alarms {_of(tried.alarms)}")
    for each in tried.kinds:
        say(f"  {each.kind}: found {_of(each.found)}")
    if tried.auroc is not None:
        say(f"AUROC {tried.auroc:.3f}")
    for sentence in tried.says:
        notice(sentence)


def _wrong(found: CheckedPage) -> None:
    wrong = [each for each in found.items if each.outcome in ("missed", "false_alarm")]
    if wrong:
        print_rows(wrong[:FIRST], {
            "image": "image.name", "kind": "image.kind", "outcome": "outcome", "score": "score",
        })  # fmt: skip
    if len(wrong) > FIRST:
        say(f"and {len(wrong) - FIRST} more")


def _of(share: Share) -> str:
    """Such as: 55 of 60 (91.7 %, 95 % interval 81.6 % to 97.2 %)."""
    if share.rate is None:
        return "none of 0"
    return f"{share.count} of {share.total} ({share.rate:.1%}, 95 % interval {share.low:.1%} to {share.high:.1%})"
