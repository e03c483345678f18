"""People whom a provider vouches for: known by subject, named for good, signed out everywhere at once."""

from __future__ import annotations

import pytest

from app.store.errors import KeyRefused, NotFound
from app.store.store import Store

ISSUER = "https://login.example"


def test_a_person_is_known_by_the_subject_and_keeps_the_id_whatever_the_provider_calls_them(
    store: Store,
) -> None:
    first = store.people.signed_in(ISSUER, "7", "anna", "Anna Berg", "inspect")
    later = store.people.signed_in(ISSUER, "7", "anna.lund", "Anna Lund", "admin")
    assert (first.id, later.id, later.name, later.role) == (
        "person:anna",
        "person:anna",
        "Anna Lund",
        "admin",
    )
    assert [person.id for person in store.people.all()] == ["person:anna"]


def test_another_subject_or_issuer_of_the_same_name_is_somebody_else(store: Store) -> None:
    ids = [
        store.people.signed_in(issuer, subject, "anna", "Anna", "read").id
        for issuer, subject in ((ISSUER, "7"), (ISSUER, "8"), ("https://other.example", "7"))
    ]
    assert ids == ["person:anna", "person:anna-2", "person:anna-3"]


@pytest.mark.parametrize(
    ("username", "id"),
    [
        ("Ünal Öz", "person:Ünal-Öz"),
        ("anna@example.com", "person:anna@example.com"),
        ("<script>", "person:script"),
        ("\r\n", "person:unnamed"),
        ("x" * 300, "person:" + "x" * 100),
    ],
)
def test_an_id_is_readable_and_harmless(store: Store, username: str, id: str) -> None:
    assert store.people.signed_in(ISSUER, "7", username, "name", "read").id == id


def test_ended_sessions_are_refused_and_the_next_sign_in_begins_a_new_epoch(store: Store) -> None:
    person = store.people.signed_in(ISSUER, "7", "anna", "Anna", "read")
    assert store.people.valid(person.id, person.epoch).name == "Anna"
    store.people.end_sessions(person.id, actor="boss")
    with pytest.raises(KeyRefused):
        store.people.valid(person.id, person.epoch)
    again = store.people.signed_in(ISSUER, "7", "anna", "Anna", "read")
    assert store.people.valid(again.id, again.epoch).id == person.id
    last = [(entry.actor, entry.action) for entry in store.audit.page(target=person.id).items]
    assert last == [
        ("person:anna", "person.sign_in"),
        ("boss", "person.sign_out"),
        ("person:anna", "person.sign_in"),
    ]


def test_somebody_unknown_has_no_sessions_to_end(store: Store) -> None:
    with pytest.raises(NotFound, match="The person must be known"):
        store.people.end_sessions("person:nobody", actor="boss")
