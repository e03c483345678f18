"""Settings: the table, its ranges, and names that no setting has."""

from __future__ import annotations

import pytest

from app.cli.options import MEMORY_MB
from app.imaging.decode import ImageLimits
from app.settings import Settings, SettingsError, load_settings, table
from core.build import BuildLimits


def test_every_setting_has_a_name_a_default_and_help() -> None:
    rows = table()
    assert len(rows) == len(Settings.model_fields)
    for name, default, text in rows:
        assert name.startswith("NOMINAL_")
        assert name.isupper()
        assert default
        assert text.endswith(".")
        assert 10 < len(text) < 130


def test_the_environment_sets_a_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOMINAL_PORT", "9000")
    monkeypatch.setenv("NOMINAL_CORS_ORIGINS", '["https://line.example"]')
    settings = load_settings()
    assert settings.port == 9000
    assert settings.cors_origins == ["https://line.example"]


def test_an_empty_variable_is_as_good_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOMINAL_PORT", "")
    assert load_settings().port == 8000


def test_an_override_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOMINAL_PORT", "9000")
    assert load_settings(port=9001).port == 9001


def test_a_misspelt_variable_is_refused_with_the_nearest_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOMINAL_QUEUE_SIZ", "1")
    with pytest.raises(SettingsError, match=r"NOMINAL_QUEUE_SIZ\. Perhaps NOMINAL_QUEUE_SIZE is meant"):
        load_settings()


def test_a_variable_like_nothing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOMINAL_XYZZY", "1")
    with pytest.raises(SettingsError, match="lists every setting"):
        load_settings()


def test_an_unknown_override_is_refused() -> None:
    with pytest.raises(SettingsError, match="NOMINAL_PROT"):
        load_settings(prot=1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", 70_000),
        ("queue_size", 0),
        ("lease_seconds", float("inf")),
        ("request_timeout_seconds", float("nan")),
        ("retain_accept_days", -1),
        ("image_keep", "some"),
        ("max_pixels", 0),
        ("threads", 0),
    ],
)
def test_a_value_outside_its_range_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(SettingsError, match=f"NOMINAL_{name.upper()}"):
        load_settings(**{name: value})


def test_settings_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(SettingsError, match="three times heartbeat_seconds"):
        load_settings(lease_seconds=1, heartbeat_seconds=0.5)
    with pytest.raises(SettingsError, match="at least max_image_bytes"):
        load_settings(max_image_bytes=10, max_body_bytes=9)


def test_no_secret_shows_in_text_or_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOMINAL_BLOB_SECRET", "hunter2")
    monkeypatch.setenv("NOMINAL_DATABASE_URL", "postgresql://u:hunter2@host/db")
    assert "hunter2" not in repr(load_settings())
    monkeypatch.setenv("NOMINAL_PORT", "hunter2")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert "hunter2" not in str(caught.value)


def test_settings_cannot_change_after_the_start() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings().port = 1  # type: ignore[misc]


@pytest.mark.parametrize("name", ["NOMINAL_CACHE", "NOMINAL_URL", "NOMINAL_API_KEY"])
def test_variables_of_the_weights_cache_and_of_the_client_are_no_unknown_settings(name: str) -> None:
    assert load_settings({name: "something"}).port == 8000


def test_the_limits_of_the_service_are_those_of_the_command_line_and_of_a_build() -> None:
    found = load_settings({})
    assert found.image_limits == ImageLimits()
    assert found.build_memory_bytes == BuildLimits().memory_bytes == MEMORY_MB << 20
