"""Sign-in links: valid once, for minutes, for a valid key; stored as digests; audited."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select
from store_backends import SteppedClock

from app.store.errors import IllegalValue, KeyRefused, LinkRefused, NotFound
from app.store.schema import SignInLink
from app.store.store import Store


@pytest.fixture
def key(store: Store) -> str:
    return store.keys.create("quality", "inspect", actor="cli")[1].id


def test_a_link_gives_its_key_once(store: Store, key: str) -> None:
    text, link = store.links.make(key, actor="boss", minutes=10)
    assert link.expires_at == link.created_at + timedelta(minutes=10)
    assert store.links.take(text).id == key
    with pytest.raises(LinkRefused) as refused:
        store.links.take(text)
    assert refused.value.reason == "used"


def test_only_a_digest_is_stored_and_who_made_and_used_it_is_audited(store: Store, key: str) -> None:
    text, _ = store.links.make(key, actor="boss")
    store.links.take(text)
    with store.database.read() as session:
        (row,) = session.scalars(select(SignInLink))
    assert text not in "".join(str(getattr(row, column.name)) for column in SignInLink.__table__.columns)
    used, made = store.audit.page(target=f"key:{key}", limit=2).items
    assert (made.action, made.actor, made.detail) == ("key.link", "boss", {"name": "quality", "minutes": 10})
    assert (used.action, used.actor, used.detail) == ("key.link_use", key, {"by": "boss"})


def test_a_link_ends_with_its_minutes(store: Store, key: str, time: SteppedClock) -> None:
    text, _ = store.links.make(key, actor="cli", minutes=10)
    time.pass_time(10 * 60)
    with pytest.raises(LinkRefused) as refused:
        store.links.take(text)
    assert refused.value.reason == "expired"


@pytest.mark.parametrize("text", ["", "x" * 43, "\ud800"])
def test_a_link_that_nobody_made_is_unknown(store: Store, key: str, text: str) -> None:
    store.links.make(key, actor="cli")
    with pytest.raises(LinkRefused) as refused:
        store.links.take(text)
    assert refused.value.reason == "unknown"


def test_of_many_who_use_a_link_at_once_one_gets_in(store: Store, key: str) -> None:
    text, _ = store.links.make(key, actor="cli")

    def enters(_: int) -> bool:
        try:
            return store.links.take(text).id == key
        except LinkRefused:
            return False

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(enters, range(16))) == 1


def test_a_revoked_key_has_no_links(store: Store, key: str) -> None:
    text, _ = store.links.make(key, actor="cli")
    store.keys.revoke(key, actor="cli")
    with pytest.raises(KeyRefused, match="Sign in with a valid key"):
        store.links.take(text)
    with pytest.raises(IllegalValue, match="revoked or has expired"):
        store.links.make(key, actor="cli")


@pytest.mark.parametrize("minutes", [0.0, -1.0, 1441.0])
def test_a_time_out_of_its_range_is_refused(store: Store, key: str, minutes: float) -> None:
    with pytest.raises(IllegalValue, match="1,440 minutes"):
        store.links.make(key, actor="cli", minutes=minutes)


def test_an_unknown_key_is_refused(store: Store) -> None:
    with pytest.raises(NotFound):
        store.links.make("0123456789ab", actor="cli")


def test_links_past_their_end_by_a_day_are_forgotten(store: Store, key: str, time: SteppedClock) -> None:
    store.links.make(key, actor="cli", minutes=1)
    time.pass_time(2 * 86400)
    store.links.make(key, actor="cli")
    with store.database.read() as session:
        assert len([*session.scalars(select(SignInLink))]) == 1
