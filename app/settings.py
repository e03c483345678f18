"""Every setting of the service as one table: name, default, help (pydantic-settings, prefix ``NOMINAL_``).

Values come only from the environment. A name that no setting has is refused, so that a misspelt one
cannot stay without effect. Durations say their unit in their name; 0 days means "forever".
"""

from __future__ import annotations

import difflib
import ipaddress
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError as NotJson

from app.errors import AppError
from app.imaging.decode import DEFAULT_LIMITS, MAP_BYTES, ImageLimits
from core.config import BUILD_MEMORY

PREFIX = "NOMINAL_"
TEST_PREFIX = "NOMINAL_TEST_"  # the test suite's own variables
ELSEWHERE = {"NOMINAL_CACHE", "NOMINAL_URL", "NOMINAL_API_KEY"}  # of the weights' cache and of the client
ROOT_PATH = r"(/[A-Za-z0-9._~-]+)*"  # a path under which a proxy may show the server
OWN_PATHS = (["v1"], ["v2"], ["console"], ["docs"])  # how it may not begin, which the server has itself

Bytes = Annotated[int, Field(gt=0)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Days = Annotated[int, Field(ge=0)]
Count = Annotated[int, Field(gt=0)]
Role = Literal["read", "inspect", "admin"]

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
LONGEST_FOLDER = 255  # characters of a watched folder's path
PLACELESS = ("usb", "genicam", "file")
CAMERAS = ("rtsp", "rtsps", "http", "https", "stream+http", "stream+https", *PLACELESS)
PARTS = 8  # the last one of the places and the memory for inspections is for the priority line


class SettingsError(AppError):
    """A setting has a value outside its range, contradicts another, or has a name that no setting has."""


def default_data_dir() -> Path:
    """``$XDG_DATA_HOME/nominal``, else ``~/.local/share/nominal``."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "nominal"


def least_memory(pixels: int, bytes_: int) -> int:
    """Bytes in which one image of so many pixels, in a file of so many bytes, is decoded and its map drawn."""
    return (MAP_BYTES * pixels + 2 * bytes_) * PARTS // (PARTS - 1)


class Watched(BaseModel):
    """A folder whose images are inspected by one bank (app/sources).

    after: inspected files stay; stay, and the answer is written beside them; or move to a folder of their decision.
    into: where answers and those folders go; the watched folder when unset. settle_seconds: a file that has not changed
    for so long is whole; 0 where files are renamed into the folder.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    folder: Path
    bank: str = Field(min_length=1, max_length=63)
    station: str | None = Field(None, min_length=1, max_length=128)
    after: Literal["keep", "beside", "move"] = "keep"
    into: Path | None = None
    settle_seconds: float = Field(1.0, ge=0, le=3600, allow_inf_nan=False)

    @model_validator(mode="after")
    def _absolute(self) -> Self:
        for name in ("folder", "into"):
            path = getattr(self, name)
            if path is not None and (not path.is_absolute() or len(str(path)) > LONGEST_FOLDER):
                raise ValueError(f"{name} must be an absolute path of at most {LONGEST_FOLDER} characters")
        if self.into is not None and self.after == "keep":
            raise ValueError("into needs after to be beside or move")
        return self


class Camera(BaseModel):
    """A camera whose pictures are inspected by one bank (app/sources/camera.py).

    url: rtsp:// or rtsps:// of a stream; http:// or https:// of a still picture, stream+http:// of MJPEG; usb:0 of the
    machine's first camera; genicam:SERIAL of one that a GenTL producer finds; file:///path of a recording. It may hold
    a name and password. interval_seconds: between two pictures; None where only a trigger takes one. frozen_pictures:
    as many times the same picture in a row are a fault; 0 where the same picture may come again.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")
    bank: str = Field(min_length=1, max_length=63)
    url: SecretStr
    station: str | None = Field(None, min_length=1, max_length=128)
    interval_seconds: float | None = Field(1.0, ge=0.02, le=86_400, allow_inf_nan=False)
    timeout_seconds: float = Field(5.0, ge=0.1, le=120, allow_inf_nan=False)
    frozen_pictures: int = Field(10, ge=0, le=10_000)

    @property
    def scheme(self) -> str:
        """Before the first colon, in small letters."""
        return self.url.get_secret_value().partition(":")[0].lower()

    @model_validator(mode="after")
    def _known(self) -> Self:
        address = urlsplit(self.url.get_secret_value().removeprefix("stream+"))
        if self.scheme not in CAMERAS or (self.scheme not in PLACELESS and not address.hostname):
            raise ValueError(f"url must begin with one of {', '.join(CAMERAS)}, and say where the camera is")
        if self.scheme == "usb" and not address.path.isdecimal():
            raise ValueError("url must be usb: with the number of a camera, such as usb:0")
        return self


class Settings(BaseSettings):
    """All settings; frozen. Made by ``load_settings``, which names every fault as ``SettingsError``."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", env_ignore_empty=True, hide_input_in_errors=True
    )

    # Where state is stored
    data_dir: Path = Field(
        default_factory=default_data_dir, description="Folder of the database, blobs and spool."
    )
    database_url: SecretStr | None = Field(
        None,
        description="postgresql://user:password@host/name or sqlite:////path; SQLite in data_dir when unset.",
    )
    database_pool: Count = Field(16, description="Database connections kept open at most.")
    database_wait_seconds: Seconds = Field(
        10, description="Wait for a locked database before answering busy."
    )
    blob_url: str | None = Field(
        None, description="s3://bucket/prefix or a folder; data_dir/blobs when unset."
    )
    blob_endpoint: str | None = Field(None, description="URL of an S3-compatible server; AWS when unset.")
    blob_region: str | None = Field(None, description="S3 region; the environment's when unset.")
    blob_key: str | None = Field(None, description="S3 access key; the environment's when unset.")
    blob_secret: SecretStr | None = Field(None, description="S3 secret key; the environment's when unset.")
    blob_cache_bytes: int = Field(
        4 * GIB, ge=0, description="Bank files of an S3 store kept on this machine as well; 0 keeps none."
    )
    blob_grace_seconds: Seconds = Field(
        3600, description="Age from which a blob nothing refers to is deleted."
    )
    disk_reserve_bytes: int = Field(
        256 * MIB,
        ge=0,
        description="Free disk space below which uploads are refused, so the database can still write.",
    )

    # Where it listens, and who may call
    host: str = Field("127.0.0.1", description="Address to listen on; other than loopback only with keys.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    root_path: str = Field(
        "",
        pattern=f"^{ROOT_PATH}$",
        description="Path under which a proxy shows this server, such as /nominal; the proxy may strip it or not.",
    )
    keys_file: Path | None = Field(
        None, description="File of API keys to admit at start: one 'role name key' a line."
    )
    key_max_days: Count | None = Field(
        None, description="Days a new API key is valid at most, and unless it says fewer; forever when unset."
    )
    cors_origins: list[str] = Field(
        [], description="Origins browsers may call from, as a JSON list; none by default."
    )

    console: bool = Field(True, description="Whether the web console is served at /console.")
    console_secret: SecretStr | None = Field(
        None, description="Signs console sessions; one in the database, made once, when unset."
    )

    oidc_issuer: str | None = Field(
        None,
        description="Address of an OpenID provider where people may sign in to the console; none when unset.",
    )
    oidc_client_id: str | None = Field(None, description="This server's name at the provider.")
    oidc_client_secret: SecretStr | None = Field(
        None, description="Its secret there; a public client, with PKCE only, when unset."
    )
    oidc_name: str = Field(
        "your organisation", max_length=60, description="What the sign-in button calls the provider."
    )
    oidc_scopes: str = Field("openid profile email", description="Scopes asked of the provider.")
    oidc_role_claim: str = Field(
        "roles", description="Claim with a person's roles or groups; a path such as realm_access.roles."
    )
    oidc_roles: dict[str, Role] = Field(
        {"nominal-admin": "admin", "nominal-inspect": "inspect", "nominal-read": "read"},
        description="Which of its values give which role here, as JSON; the highest counts.",
    )

    tls_cert: Path | None = Field(
        None, description="Certificate chain, PEM, to serve HTTPS with; read again when the file changes."
    )
    tls_key: Path | None = Field(
        None, description="Its private key, PEM; in the certificate's file when unset."
    )

    # What a connection may take
    max_connections: Count = Field(
        4096, description="Connections at most; fewer where the system allows fewer open files."
    )
    max_connections_per_address: Count = Field(1024, description="Connections of one address at most.")
    max_head_bytes: Bytes = Field(64 * KIB, description="Bytes of a request's line and headers.")
    head_seconds: Seconds = Field(20, description="Time in which a request's line and headers must come.")
    idle_seconds: Seconds = Field(
        75, description="Time after which a connection without a request is closed."
    )
    least_bytes_per_second: Count = Field(8 * KIB, description="Speed at which a body must come at least.")

    # What a request may hold
    max_image_bytes: Bytes = Field(DEFAULT_LIMITS.max_bytes, description="Bytes of one image file.")
    max_pixels: Count = Field(
        DEFAULT_LIMITS.max_pixels, description="Pixels of one image, before it is decoded."
    )
    max_body_bytes: Bytes = Field(4 * GIB, description="Bytes of one request body.")
    max_archive_files: Count = Field(20_000, description="Files in one zip or tar.")
    max_archive_ratio: Count = Field(100, description="Unpacked bytes per packed byte of a zip or tar.")
    max_archive_bytes: Bytes = Field(16 * GIB, description="Unpacked bytes of one zip or tar.")

    # Inspection
    backbone: str = Field(
        "auto",
        description="Backbone's name; auto takes resnet50 if its weights are on this machine or can be downloaded.",
    )
    weights: Path | None = Field(
        None, description="Weights file; the cache or the embedded backbone when unset."
    )
    allow_fetch: bool = Field(
        True, description="Whether missing weights may be fetched from their publisher."
    )
    runtime: str = Field("auto", description="Runtime of the backbone; auto takes the fastest available.")
    precision: str = Field(
        "auto",
        description="auto (the fastest, for a bank its own), float32, bfloat16, int8 or, on CUDA, float16.",
    )
    threads: Count | None = Field(None, description="Compute threads; one per available core when unset.")
    bank_memory_bytes: Bytes = Field(
        2 * GIB, description="Memory for loaded banks; the least recently used leaves."
    )
    memory_bytes: Bytes = Field(
        2 * GIB,
        description="Memory for bodies, decoded pixels, maps and pictures in flight; past it 503 with Retry-After.",
    )
    queue_size: Count = Field(256, description="Inspections waiting at most; past it 503 with Retry-After.")
    batch_size: Count = Field(16, description="Images of one bank joined into a batch at most.")
    batch_window_ms: float = Field(
        3, ge=0, le=1000, description="Milliseconds an inspection waits for others to join."
    )
    request_timeout_seconds: Seconds = Field(30, description="An inspection not answered by then is refused.")
    drain_seconds: Seconds = Field(20, description="Time to answer what is in flight after SIGTERM.")
    image_keep: Literal["all", "sample", "rejected", "none"] = Field(
        "sample",
        description="Inspected images kept: all; sample (rejected, to review, some accepted); rejected; or none.",
    )
    image_sample_count: Count = Field(
        200, description="Accepted images kept per version: half nearest to the threshold, half at random."
    )
    image_sample_bytes: Bytes = Field(1 * GIB, description="Bytes of accepted images kept per bank.")

    # Where images come from by themselves
    watch: list[Watched] = Field(
        [],
        description="Folders to inspect images of, a JSON list such as "
        '[{"folder": "/nas/line1", "bank": "caps", "after": "move"}]; none by default.',
    )
    cameras: list[Camera] = Field(
        [],
        description="Cameras to inspect pictures of, a JSON list such as "
        '[{"name": "top", "bank": "caps", "url": "rtsp://10.0.0.7"}].',
    )

    # Build jobs
    lease_seconds: Seconds = Field(30, description="Silence after which a worker's job is taken from it.")
    heartbeat_seconds: Seconds = Field(
        0.5, description="Pause between a worker's heartbeats; bounds cancelling too."
    )
    job_attempts: Count = Field(3, description="Times a job is started before a lost worker fails it.")
    build_memory_bytes: Bytes = Field(
        BUILD_MEMORY, description="Memory for one build; features spill to disk past it."
    )
    cluster: str | None = Field(
        None,
        description="Address of a Ray cluster that builds run on, such as 10.0.0.5:6379; needs RAY_AUTH_MODE=token. "
        "This machine only when unset.",
    )
    advise_after_build: bool = Field(
        False,
        description="After a build, have the worker look for better settings, for up to three builds' time.",
    )
    idempotency_hours: Count = Field(24, description="Hours an Idempotency-Key is remembered.")

    # Retention of inspections and their images
    retain_accept_days: Days = Field(
        30, description="Days accepted inspections are kept; 0 keeps them forever."
    )
    retain_review_days: Days = Field(
        365, description="Days inspections decided 'review' are kept; 0 keeps them forever."
    )
    retain_reject_days: Days = Field(
        365, description="Days rejected inspections are kept; 0 keeps them forever."
    )
    retain_reviewed_days: Days = Field(
        0, description="Days inspections that a person reviewed are kept; 0 keeps them forever."
    )
    retention_interval_seconds: Seconds = Field(
        3600, description="Pause between sweeps of retention and blobs."
    )

    # Events and their sinks
    sink_addresses: list[str] = Field(
        [],
        description="Networks of private addresses that webhooks may reach, as a JSON list such as "
        '["10.0.0.0/8"]; only public addresses when empty.',
    )
    event_days: Count = Field(
        3, description="Days after which an event that cannot be delivered is given up."
    )
    event_tries: Count = Field(20, description="Times a sink may refuse an event before it is given up.")
    retain_event_days: Days = Field(
        1, description="Days delivered events are kept; 0 keeps them forever. Dead ones stay until resent."
    )

    # What it reports
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level logged.")
    log_json: bool | None = Field(
        None, description="Logs as JSON lines or as plain text; JSON unless on a terminal when unset."
    )
    audit_log: str | None = Field(
        None,
        description="File, syslog:, syslog://host:514 or syslog+tcp://host:514 that audit entries go to as well.",
    )
    otel_endpoint: str | None = Field(None, description="OTLP endpoint for traces; none are sent when unset.")

    @property
    def image_limits(self) -> ImageLimits:
        """What one image may ask for."""
        return ImageLimits(self.max_image_bytes, self.max_pixels)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.heartbeat_seconds * 3 > self.lease_seconds:
            raise ValueError("lease_seconds must be at least three times heartbeat_seconds")
        if self.max_image_bytes > self.max_body_bytes:
            raise ValueError("max_body_bytes must be at least max_image_bytes")
        if self.memory_bytes < (least := least_memory(self.max_pixels, self.max_image_bytes)):
            raise ValueError(f"memory_bytes must be at least {least}, which one image of max_pixels takes")
        for paths in ([each.folder for each in self.watch], [each.into for each in self.watch if each.into]):
            if len({os.path.realpath(path) for path in paths}) < len(paths):
                raise ValueError("watch must name each folder, and each into, once")
        if len({each.name for each in self.cameras}) < len(self.cameras):
            raise ValueError("cameras must have names of their own")
        for network in self.sink_addresses:
            ipaddress.ip_network(network)  # raises ValueError, which names it
        if self.cluster is not None and os.environ.get("RAY_AUTH_MODE") != "token":
            raise ValueError(
                "cluster must come with RAY_AUTH_MODE=token: Ray runs code for whoever reaches it"
            )
        if self.tls_key is not None and self.tls_cert is None:
            raise ValueError("tls_key must come with tls_cert")
        if self.oidc_issuer is not None:
            address = urlsplit(self.oidc_issuer)
            if address.scheme != "https" and address.hostname not in ("127.0.0.1", "::1", "localhost"):
                raise ValueError("oidc_issuer must be an https:// address")
            if not self.oidc_client_id:
                raise ValueError("oidc_issuer must come with oidc_client_id")
            if "openid" not in self.oidc_scopes.split():
                raise ValueError("oidc_scopes must hold openid")
        if self.root_path.split("/")[1:2] in OWN_PATHS:
            raise ValueError(
                "root_path must not begin with /v1, /v2, /console or /docs, which the server has itself"
            )
        return self


def load_settings(environment: Mapping[str, str] | None = None, **overrides: object) -> Settings:
    """Settings from the process's environment and ``overrides`` (by field name), which win.

    ``environment`` is only searched for unknown names. Raises ``SettingsError``; never repeats a received
    value, which may be a password.
    """
    _refuse_unknown(os.environ if environment is None else environment)
    try:
        return Settings(**overrides)  # type: ignore[arg-type]  # pydantic checks them
    except NotJson as error:
        name = str(error).partition('"')[2].partition('"')[0]
        raise SettingsError(
            requirement=f"{PREFIX}{name.upper()} must be JSON",
            received="a value that is not",
            remedy="Quote names and texts with double quotes; docs/operations.md has examples.",
        ) from None
    except ValidationError as error:
        faults = [
            (".".join(map(str, fault["loc"])), fault["msg"]) for fault in error.errors(include_input=False)
        ]
        raise SettingsError(
            requirement="every setting must be within its documented range",
            received="; ".join(f"{_variable(name)}: {said}" if name else said for name, said in faults),
            remedy="Correct these environment variables; docs/operations.md lists each with its default.",
        ) from None


def table() -> list[tuple[str, str, str]]:
    """(environment variable, default, help) of every setting, in order."""
    fields = Settings.model_fields.items()
    return [(PREFIX + name.upper(), _default(field), field.description or "") for name, field in fields]


def _variable(name: str) -> str:
    """The environment variable of a field; of watch.0.bank NOMINAL_WATCH.0.bank."""
    first, dot, rest = name.partition(".")
    return f"{PREFIX}{first.upper()}{dot}{rest}"


def _default(field: FieldInfo) -> str:
    if field.default_factory is not None:
        return "~/.local/share/nominal"  # only data_dir has a factory
    if isinstance(field.default, dict):
        return json.dumps(field.default)
    return "unset" if field.default in (None, "") else str(field.default)


def _refuse_unknown(environment: Mapping[str, str]) -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    given = {name.upper() for name in environment if name.upper().startswith(PREFIX)}
    unknown = sorted(name for name in given - known - ELSEWHERE if not name.startswith(TEST_PREFIX))
    if not unknown:
        return
    near = difflib.get_close_matches(unknown[0], known, n=1, cutoff=0.85)
    raise SettingsError(
        requirement=f"every environment variable that starts with {PREFIX} must name a setting",
        received=", ".join(unknown),
        remedy=f"Perhaps {near[0]} is meant." if near else "docs/operations.md lists every setting.",
    )
