"""``nominal keys`` and ``nominal people``: who may call, by this machine's store; ``nominal audit``: proof of its log.

They work on the store that the settings name, beside a running server and without one.
"""

from __future__ import annotations

from typing import Annotated

import typer

from app.cli import app
from app.cli.console import Json, notice, print_list, say
from app.errors import FieldInvalid
from app.settings import load_settings
from app.store.key_limits import MOST_SHARE, NO_LIMITS
from app.store.links import MOST_MINUTES
from app.store.schema import ApiKey
from app.store.scope import Scope
from app.store.store import open_store
from nominal_client.answers.server import Key, Person, Priority, Role

keys = typer.Typer(
    no_args_is_help=True, help="Create, list, replace and revoke API keys in this machine's store."
)
app.add_typer(keys, name="keys")

people = typer.Typer(
    no_args_is_help=True, help="List and sign out those who signed in at the OpenID provider."
)
app.add_typer(people, name="people")

audit = typer.Typer(no_args_is_help=True, help="Prove the audit log of this machine's store.")
app.add_typer(audit, name="audit")

PriorityOption = Annotated[
    Priority | None, typer.Option("--priority", help="line, normal or background (default: its bank's).")
]
ShareOption = Annotated[
    float | None,
    typer.Option("--share", min=0, max=MOST_SHARE, help="Guaranteed part of decoding and inference."),
]
RequestsOption = Annotated[
    int | None, typer.Option("--requests-per-minute", min=1, help="Quota of requests, per server.")
]
BytesOption = Annotated[
    int | None, typer.Option("--bytes-per-minute", min=1, help="Quota of bytes sent, per server.")
]
InFlightOption = Annotated[
    int | None, typer.Option("--in-flight", min=1, help="Requests at once, per server.")
]
KeyId = Annotated[str, typer.Argument(help="Key's id: the part between its underscores.")]
ACTOR = "cli"


@keys.command()
def create(
    name: Annotated[str, typer.Argument(help="Whose key it is.")],
    role: Annotated[Role, typer.Option("--role", help="read, inspect or admin.")] = "inspect",
    days: Annotated[
        float | None,
        typer.Option("--days", min=0.001, help="Days until it expires (default: NOMINAL_KEY_MAX_DAYS)."),
    ] = None,
    bank: Annotated[list[str] | None, typer.Option("--bank", help="Only for this bank; repeatable.")] = None,
    station: Annotated[
        list[str] | None, typer.Option("--station", help="Only for this station; repeatable.")
    ] = None,
    priority: PriorityOption = None,
    share: ShareOption = None,
    requests_per_minute: RequestsOption = None,
    bytes_per_minute: BytesOption = None,
    in_flight: InFlightOption = None,
) -> None:
    """Create a key and print it; it is shown only once. From the first key on, every request needs one."""
    with open_store(load_settings()) as store:
        scope = Scope.of(bank, station)
        quotas = _quotas(requests_per_minute, bytes_per_minute, in_flight)
        limits = NO_LIMITS.changed({"priority": priority, "share": share, **quotas})
        _handed(*store.keys.create(name, role, actor=ACTOR, days=days, scope=scope, limits=limits))


@keys.command()
def limit(
    key: KeyId,
    priority: PriorityOption = None,
    share: ShareOption = None,
    requests_per_minute: RequestsOption = None,
    bytes_per_minute: BytesOption = None,
    in_flight: InFlightOption = None,
    none: Annotated[
        list[str] | None, typer.Option("--no", help="Take this limit back, as in --no share; repeatable.")
    ] = None,
) -> None:
    """Change a key's priority, guaranteed share or quotas; what is left out stays. Servers follow in 2 s."""
    quotas = _quotas(requests_per_minute, bytes_per_minute, in_flight)
    named = {"priority": priority, "share": share, **quotas}
    given: dict[str, object] = {name: value for name, value in named.items() if value is not None}
    taken = [each.replace("-", "_") for each in none or ()]
    if (unknown := set(taken) - set(named)) or not (given or taken):
        raise FieldInvalid(
            requirement=f"a limit must be one of {', '.join(name.replace('_', '-') for name in named)}",
            received=", ".join(sorted(unknown)) or "none",
            remedy="Name at least one, as in --priority line or --no in-flight.",
        )
    with open_store(load_settings()) as store:
        row = store.keys.limit(key, given | dict.fromkeys(taken), actor=ACTOR)
    said = ", ".join(f"{name} {value}" for name, value in (row.limits or {}).items())
    say(f"{row.id} ({row.name}): {said or 'no limits'}")


@keys.command("list")
def list_(json_output: Json = False) -> None:
    """List every key without its secret, oldest first."""
    with open_store(load_settings()) as store:
        found = [Key.model_validate(row) for row in store.keys.all()]
    times = {"created": "created_at", "expires": "expires_at", "revoked": "revoked_at"}
    whose = {"id": "id", "name": "name", "role": "role", "created by": "created_by"}
    whose |= {"banks": "banks", "stations": "stations", "limits": "limits"}
    print_list("keys", found, json_output, whose | times)


@keys.command()
def rotate(
    key: KeyId,
    overlap_seconds: Annotated[
        float, typer.Option("--overlap-seconds", min=0, help="How long the old key stays valid.")
    ] = 3600,
) -> None:
    """Replace a valid key by a new one of the same role, limits and end, and print that."""
    with open_store(load_settings()) as store:
        _handed(*store.keys.rotate(key, actor=ACTOR, overlap_seconds=overlap_seconds))


@keys.command()
def revoke(key: KeyId) -> None:
    """Revoke a key; a running server refuses it within two seconds."""
    with open_store(load_settings()) as store:
        row = store.keys.revoke(key, actor=ACTOR)
    say(f"Revoked {row.id} ({row.name})")


@keys.command()
def link(
    key: KeyId,
    minutes: Annotated[
        float, typer.Option("--minutes", min=0.1, max=MOST_MINUTES, help="How long it may be used.")
    ] = 10,
    url: Annotated[
        str | None,
        typer.Option("--url", help="Where people reach the server (default: NOMINAL_HOST, PORT, ROOT_PATH)."),
    ] = None,
) -> None:
    """Print a link by which a browser signs in to the console as a key, once; for people, who then paste no key."""
    settings = load_settings()
    with open_store(settings) as store:
        text, made = store.links.make(key, actor=ACTOR, minutes=minutes)
        name = store.keys.get(key).name
    base = url or f"http://{settings.host}:{settings.port}{settings.root_path}"
    notice(f"Signs in as {name}, once, until {made.expires_at:%Y-%m-%d %H:%M} UTC. It is not shown again.")
    say(f"{base.rstrip('/')}/console/sign-in/link#{text}")


@keys.command("open")
def open_() -> None:
    """Let this machine call without a key again, once no key is valid; the next key closes the service again."""
    with open_store(load_settings()) as store:
        store.keys.open(actor=ACTOR)
    say("Without a key, only this machine may call, until the next key is created")


@people.command("list")
def list_people(json_output: Json = False) -> None:
    """List everybody who signed in at the OpenID provider, by name, with the role of the last time."""
    with open_store(load_settings()) as store:
        found = [Person.model_validate(row) for row in store.people.all()]
    print_list(
        "people", found, json_output, {"id": "id", "name": "name", "role": "role", "last": "signed_in_at"}
    )


@people.command("sign-out")
def sign_out(person: Annotated[str, typer.Argument(help="Person's id, such as person:anna.")]) -> None:
    """End a person's sessions in every browser, within two seconds; the provider decides whether they come back."""
    with open_store(load_settings()) as store:
        row = store.people.end_sessions(person, actor=ACTOR)
    say(f"Signed out {row.id} ({row.name})")


@people.command("sign-out-all")
def sign_out_all() -> None:
    """End everybody's console sessions, signed in by key or provider, once each server has been started again."""
    with open_store(load_settings()) as store:
        store.sessions.renew(actor=ACTOR)
    say("Restart every server: sessions signed before then are no longer valid")


@audit.command()
def verify() -> None:
    """Follow the chain of entries: one that was changed or removed is named."""
    with open_store(load_settings()) as store:
        chain = store.audit.verify()
    say(f"{chain.entries} entries, each follows from the one before; the last has the digest {chain.digest}")


def _quotas(requests: int | None, bytes_: int | None, in_flight: int | None) -> dict[str, int | None]:
    return {"requests_per_minute": requests, "bytes_per_minute": bytes_, "in_flight": in_flight}


def _handed(text: str, row: ApiKey) -> None:
    """Only the key on standard output, so that it can be piped."""
    notice(f"Key {row.id} of {row.name}, role {row.role}. It is not shown again.")
    say(text)
