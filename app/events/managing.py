"""Sinks as administrators make and change them: their targets checked, their secrets made, the relay told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

from pydantic import ValidationError

from app.errors import FieldInvalid
from app.events import Target
from app.events.kinds import KINDS
from app.events.relay import Relay
from app.store.errors import IllegalValue
from app.store.schema import Sink
from app.store.sinks import Filters

OVERLAP_SECONDS = 86_400.0  # for which a replaced secret is valid, unless it is said
MOST_OVERLAP = 30 * 86_400.0


def target_of(said: Mapping[str, Any]) -> Target:
    """What a form says of a target. Raises FieldInvalid."""
    kind = KINDS.get(str(said.get("kind")))
    if kind is None:
        names = ", ".join(KINDS)
        raise FieldInvalid(f"a sink is of one of the kinds {names}", ascii(said.get("kind")), "Choose one.")
    try:
        return kind.target.model_validate(said)
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False)[0]
        name = ".".join(map(str, fault["loc"])) or "the target"
        raise FieldInvalid(f"{name}: {fault['msg']}", "another value", "Correct it.") from None


def create(
    relay: Relay,
    id: str,
    target: Target,
    *,
    actor: str,
    password: str | None = None,
    enabled: bool = True,
    **filters: Unpack[Filters],
) -> tuple[Sink, str | None]:
    """(the sink, the secret made for it, which nothing can give again). Raises what ``Sinks.create`` does.

    A target that has places for some banks only gets events of these, unless ``banks`` says otherwise.
    """
    said = target.model_dump()
    if filters.get("banks") is None:
        filters["banks"] = target.banks()
    secret = _checked(said["kind"], password) or _new_secret(said["kind"])
    made = relay.store.sinks.create(
        id, said["kind"], said, actor=actor, secret=secret, enabled=enabled, **filters
    )
    relay.look()
    return made, None if password is not None else secret


def change(
    relay: Relay, id: str, given: Mapping[str, Any], *, actor: str, target: Target | None = None
) -> Sink:
    """What ``given`` leaves out stays. Raises NotFound, IllegalValue for a target of another kind."""
    new = dict(given)
    kind = relay.store.sinks.get(id).kind
    sets, password = "password" in new, new.pop("password", None)
    if sets:
        _checked(kind, password or "")
    if target is not None:
        if new.get("banks") is None and (banks := target.banks()) is not None:
            new["banks"] = banks
        new["target"] = target.model_dump()
        if new["target"]["kind"] != kind:
            raise IllegalValue(
                f"the sink {id} is of the kind {kind}", new["target"]["kind"], "Create another sink."
            )
    row = relay.store.sinks.update(id, new, actor=actor, secret=password, forget=sets)
    relay.look()
    return row


def rotate(relay: Relay, id: str, overlap_seconds: float, *, actor: str) -> tuple[Sink, str]:
    """(the sink, its new secret, given this once); it signs by the one before too, for the overlap.

    Raises NotFound, IllegalValue for a kind whose secret is the other side's.
    """
    secret = _new_secret(relay.store.sinks.get(id).kind)
    if secret is None:
        raise IllegalValue(
            "a secret is made here only for webhooks",
            f"the sink {id}",
            "Give it the new password of its broker.",
        )
    row = relay.store.sinks.rotate(id, secret, overlap_seconds, actor=actor)
    relay.look()
    return row, secret


def delete(relay: Relay, id: str, *, actor: str) -> None:
    """With its events. Raises NotFound."""
    relay.store.sinks.delete(id, actor=actor)
    relay.look()


def _new_secret(kind: str) -> str | None:
    make = KINDS[kind].new_secret
    return None if make is None else make()


def _checked(kind: str, password: str | None) -> str | None:
    if password is not None and not KINDS[kind].password:
        raise IllegalValue(
            f"a sink of the kind {kind} has no password",
            "a password",
            "Leave it out; a webhook's secret is made here, and rotate makes a new one.",
        )
    return password
