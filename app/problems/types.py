"""The table of problem types (RFC 9457): which error has which status, slug and title. docs/problems.md explains each.

A type's URI is ``/problems/<slug>``, relative to the server that sent it, which answers there even where no other
server can be reached. Slugs never change and are never reused; a client may rely on slug and status, not on titles.
"""

from __future__ import annotations

import html
import inspect
from dataclasses import dataclass

from starlette.requests import ClientDisconnect

from app import errors as app
from app import settings
from app.store import errors as store
from core import errors as core
from models import errors as models

BASE = "/problems/"


@dataclass(frozen=True)
class ProblemType:
    """``errors`` are this type; ``http`` says that a bare HTTP error of this status is, too."""

    slug: str
    status: int
    title: str
    errors: tuple[type[Exception], ...] = ()
    http: bool = False

    @property
    def uri(self) -> str:
        """A URI reference, to be resolved against the server's address."""
        return BASE + self.slug


def _type(slug: str, status: int, title: str, *errors: type[Exception], http: bool = False) -> ProblemType:
    return ProblemType(slug, status, title, errors, http)


INTERNAL = _type(
    "internal-error",
    500,
    "The server failed",
    core.CoreError,
    core.ShapeError,
    core.SearchError,
    models.ModelError,
    models.InputRefused,
    app.AppError,
    store.StoreError,
    store.LeaseLost,
    http=True,
)

TYPES: tuple[ProblemType, ...] = (
    INTERNAL,
    # The request as HTTP
    _type(
        "bad-request",
        400,
        "The request cannot be read",
        app.BadContentLength,
        app.RequestUnreadable,
        http=True,
    ),
    _type("bad-multipart", 400, "The multipart body cannot be read", app.MultipartInvalid),
    _type("client-closed-request", 499, "The client hung up", ClientDisconnect),
    _type(
        "unauthorized",
        401,
        "A valid API key is needed",
        store.KeyRefused,
        store.LinkRefused,
        store.SignInRefused,
        http=True,
    ),
    _type("forbidden", 403, "The API key may not do this", app.RoleTooLow, app.OutOfScope, http=True),
    _type("foreign-origin", 403, "The caller is not of this machine", app.ForeignOrigin),
    _type("no-such-path", 404, "No operation has this path", http=True),
    _type("method-not-allowed", 405, "The path has no operation of this method", http=True),
    _type("not-acceptable", 406, "No answer in an accepted form", app.NotAcceptable, http=True),
    _type("body-too-slow", 408, "The body came too slowly", app.BodyTooSlow),
    _type("head-too-slow", 408, "The headers came too slowly", app.HeadTooSlow),
    _type("head-too-large", 431, "The headers are too large", app.HeadTooLarge),
    _type("body-too-large", 413, "The body is too large", app.BodyTooLarge, http=True),
    _type("too-many-files", 413, "Too many files in one request", app.TooManyFiles),
    _type(
        "unsupported-media-type",
        415,
        "The body's type or encoding is not read",
        app.MediaTypeUnsupported,
        http=True,
    ),
    _type("invalid-request", 422, "The request has invalid values", app.FieldInvalid, http=True),
    # Images and archives
    _type("image-refused", 422, "The image is refused", app.ImageRefused, app.ImageUnreadable),
    _type("image-empty", 422, "The image has no bytes", app.ImageEmpty),
    _type("image-too-large", 413, "The image is too large", app.ImageTooLarge),
    _type("image-too-small", 422, "The image is too small", app.ImageTooSmall),
    _type("image-format", 415, "The image's format is not read", app.ImageFormatUnsupported),
    _type("image-many-frames", 415, "The image has several frames", app.ImageManyFrames),
    _type("image-pixels", 415, "The image's kind of pixels is not read", app.ImagePixelsUnsupported),
    _type("image-corrupt", 422, "The image cannot be decoded", app.ImageCorrupt),
    _type("upload-refused", 422, "No file of the upload was kept", app.UploadRefused),
    _type("archive-refused", 422, "The archive is refused", app.ArchiveRefused, app.ArchiveCorrupt),
    _type("archive-unsupported", 415, "The archive is of no kind that is read", app.ArchiveUnsupported),
    _type("archive-too-many-files", 413, "The archive holds too many files", app.ArchiveTooManyFiles),
    _type("archive-too-large", 413, "The archive unpacks to too much", app.ArchiveTooLarge),
    _type("archive-bomb", 413, "The archive unpacks far beyond its size", app.ArchiveBomb),
    _type("archive-entry-refused", 422, "A file of the archive is refused", app.ArchiveEntryRefused),
    _type("folder-refused", 422, "The folder is not in a documented form", app.FolderError),
    # Banks, versions and their files
    _type("not-found", 404, "No such thing", store.NotFound),
    _type("already-exists", 409, "The name is taken", store.AlreadyExists),
    _type("stale-revision", 412, "It changed since it was read", store.StaleRevision),
    _type("illegal-id", 422, "The id has characters that ids may not have", store.IllegalId),
    _type("illegal-value", 422, "A value cannot be stored", store.IllegalValue),
    _type("invalid-config", 422, "The configuration is invalid", core.ConfigError),
    _type("rate-unsupported", 422, "Too few images for this false-reject rate", core.TooFewNominalImages),
    _type("too-few-defects", 409, "Too few reviewed defects", core.TooFewDefects),
    _type(
        "groups-unusable",
        422,
        "The parts of the photographs are not usable",
        core.GroupsError,
        core.GroupsPatternError,
        core.GroupsFileError,
        core.OneGroup,
        core.AllDuplicates,
    ),
    _type("key-conflict", 409, "The keys are not in a state for this", store.KeyConflict),
    _type("mask-unusable", 422, "The mask is not usable", core.MaskError),
    _type("registration-impossible", 422, "The parts cannot be registered", core.RegistrationError),
    _type("serial-conflict", 409, "The image has another serial number", store.SerialConflict),
    _type("label-missing", 422, "The image has no label", app.LabelMissing),
    _type("label-conflict", 409, "The image has another label", store.LabelConflict),
    _type("check-set-full", 409, "No more fits into the check set", store.CheckSetFull),
    _type("evaluation-impossible", 422, "The evaluation lacks what it needs", core.EvaluationError),
    _type("bank-without-version", 409, "The bank has no active version", app.BankWithoutVersion),
    _type("version-unusable", 409, "The version is in quarantine", store.VersionUnusable),
    _type("version-in-use", 409, "The version is active", store.VersionInUse),
    _type("version-not-active", 409, "The version is not active", app.VersionNotActive),
    _type("version-unproven", 422, "The bank file does not score as recorded", app.VersionUnproven),
    _type("bank-corrupt", 422, "The bank file is corrupt", core.BankError, core.BankCorrupt),
    _type("bank-hostile", 422, "The bank file is refused as hostile", core.BankHostile),
    _type("bank-format-too-new", 422, "The bank file is of a newer release", core.BankFormatTooNew),
    _type("bank-mismatch", 409, "The bank belongs to another backbone", core.BankMismatch),
    # Builds
    _type("too-few-images", 409, "The nominal set is too small", core.TooFewImages),
    _type("build-running", 409, "The bank is being built, screened or checked", store.BuildAlreadyRunning),
    _type("build-too-large", 422, "The build does not fit in memory or disk", core.MemoryBudgetError),
    _type("cluster-refused", 409, "The cluster cannot be used", app.ClusterRefused),
    _type("cluster-gone", 503, "The cluster is unavailable", app.ClusterGone, app.HostLost),
    _type("build-cancelled", 409, "The build was cancelled", core.Cancelled),
    _type("job-finished", 409, "The job has ended", store.JobFinished),
    _type(
        "idempotency-conflict",
        422,
        "The Idempotency-Key stands for another request",
        store.IdempotencyConflict,
    ),
    # Inspections
    _type("picture-unavailable", 404, "The picture cannot be drawn again", app.PictureUnavailable),
    _type("not-described", 409, "The inspection has no descriptor", app.NotDescribed),
    _type("image-not-kept", 409, "The inspection's image was not kept", store.ImageNotKept),
    _type("not-a-false-alarm", 409, "The inspection was not reviewed as a false alarm", store.NotAFalseAlarm),
    # Load and shutdown: each says when to try again
    _type("overloaded", 503, "Too much to do", app.Overloaded),
    _type("connections-full", 503, "Too many connections", app.ConnectionsFull),
    _type("queue-full", 503, "The queue is full", app.QueueFull),
    _type("memory-full", 503, "The memory for what is in flight is taken", app.MemoryFull),
    _type("quota-exceeded", 429, "The key's quota is used up", app.QuotaExceeded),
    _type("deadline-exceeded", 503, "The deadline cannot be met", app.DeadlineExceeded),
    _type("draining", 503, "The server is shutting down", app.Draining),
    _type("warming-up", 503, "The server is starting", app.WarmingUp),
    # Cameras
    _type(
        "camera-fault", 503, "The camera gives no picture to inspect", app.CameraFault, app.PictureRepeated
    ),
    _type("camera-unavailable", 503, "This kind of camera is not installed", app.CameraKindUnavailable),
    # Events and their sinks
    _type(
        "sink-failed",
        502,
        "The sink did not take it",
        app.SinkFailed,
        app.SinkUnreachable,
        app.EventRefused,
        app.EventHeld,
    ),
    _type("sink-cannot-listen", 503, "The sink cannot listen", app.SinkCannotListen),
    _type("sink-unavailable", 503, "This kind of sink is not installed", app.SinkKindUnavailable),
    # The machine
    _type("storage-full", 507, "The storage is full", store.StorageFull, models.WeightsNotWritten),
    _type("database-busy", 503, "The database is busy", store.DatabaseBusy),
    _type("database-unavailable", 503, "The database is unavailable", store.DatabaseUnavailable),
    _type("storage-unavailable", 503, "The storage is unavailable", store.BlobsUnavailable),
    _type("blob-too-large", 413, "The file is too large", store.BlobTooLarge),
    _type("blob-lost", 500, "A stored file is lost or damaged", store.BlobMissing, store.BlobCorrupt),
    _type("reference-gone", 409, "A stored file was collected meanwhile", store.ReferenceGone),
    _type("clock-jumped", 503, "The machine's clock jumped", store.ClockJumped),
    _type("unknown-backbone", 422, "No backbone has this name", models.UnknownBackbone),
    _type("weights-not-found", 503, "The backbone's weights are not available", models.WeightsNotFound),
    _type(
        "weights-refused",
        503,
        "The backbone's weights are refused",
        models.WeightsRefused,
        models.WeightsCorrupt,
        models.WeightsWrongArchitecture,
        models.WeightsWrongDigest,
    ),
    _type("runtime-unavailable", 503, "The runtime is not available here", models.RuntimeUnavailable),
    # Start and maintenance: met on the command line
    _type(
        "cannot-start",
        500,
        "The service cannot start so",
        settings.SettingsError,
        app.StartRefused,
        store.DatabaseUnsupported,
        store.NewerDatabase,
        store.DatabaseLost,
        app.TelemetryUnavailable,
    ),
    _type(
        "backup-refused", 422, "The backup cannot be restored", store.BackupCorrupt, store.BackupOtherRelease
    ),
    _type("audit-broken", 500, "The audit log was tampered with", store.AuditBroken),
    _type("store-not-empty", 409, "The store is not empty", store.StoreNotEmpty),
)

BY_SLUG = {kind.slug: kind for kind in TYPES}
BY_ERROR = {error: kind for kind in TYPES for error in kind.errors}
BY_STATUS = {kind.status: kind for kind in TYPES if kind.http}


def type_of(error: type[Exception]) -> ProblemType:
    """The type of the error's class or of its nearest parent in the table; an internal error for all others."""
    return next((BY_ERROR[parent] for parent in error.__mro__ if parent in BY_ERROR), INTERNAL)


def page(slug: str) -> str | None:
    """A small HTML page that explains a type, to serve at its URI; None for a slug that is none."""
    if (kind := BY_SLUG.get(slug)) is None:
        return None
    lines = [f"<p>{html.escape(inspect.getdoc(error) or '')}</p>" for error in kind.errors]
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{kind.title}</title>'
        f"<h1>{html.escape(kind.title)}</h1><p>Status {kind.status}.</p>{''.join(lines)}"
        "<p>Typical causes and remedies: docs/problems.md.</p></html>"
    )
