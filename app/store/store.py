"""The store whole: opened from the settings, migrated, its nouns as attributes, swept by age, closed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from app.settings import Settings
from app.store import migrate
from app.store.audit import Audit
from app.store.backup import Manifest, read_backup, write_backup
from app.store.banks import Banks
from app.store.blobs import Blobs, Collected
from app.store.cached import CachedFiles
from app.store.checks import Checks
from app.store.continuity import Continuity, filled_tables
from app.store.database import Database, parse_url
from app.store.descriptors import Descriptors
from app.store.errors import StoreNotEmpty
from app.store.files import BlobFiles, LocalFiles, open_files
from app.store.ids import Clock
from app.store.images import Images
from app.store.inspections import Inspections
from app.store.jobs import Jobs
from app.store.keys import Keys
from app.store.kinds import Kinds
from app.store.leases import Leases, LeaseWatch
from app.store.links import Links
from app.store.origins import Origins
from app.store.outbox import Outbox
from app.store.people import People
from app.store.proofs import Proofs
from app.store.retention import Retention, Rules
from app.store.reviews import Reviews
from app.store.samples import SampleRules, Samples
from app.store.schema import Mark
from app.store.screenings import Screenings
from app.store.servers import Servers
from app.store.sessions import Sessions
from app.store.shipping import Shipping
from app.store.sinks import Sinks
from app.store.staging import Staging, local_faults
from app.store.thumbnails import Thumbnails
from app.store.timekeeping import Timekeeper
from app.store.verifying import LOST, Healer, Verifier, note_lost
from app.store.versions import Versions


class Store:
    """Every noun of the store over one database and one place for blobs. Safe to share between threads."""

    def __init__(self, settings: Settings, clock: Clock | None = None, *, anew: bool = False) -> None:
        """Opens and migrates; ``anew`` also where the database is empty beside kept files.

        Raises ``DatabaseLost``, ``NewerDatabase``, ``DatabaseUnavailable``, ``BlobsUnavailable``.
        """
        clock = clock or Clock()
        self._settings, self.clock = settings, clock
        with local_faults(settings.data_dir):
            settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.shipping = Shipping(settings.audit_log)
        self.database = open_database(settings)
        self.database.audited = self.shipping.send
        files = open_blob_files(settings)
        continuity = Continuity(self.database, files, anew)
        continuity.before_migration()
        migrate.upgrade(self.database)
        continuity.after_migration()
        staging = Staging(_staging_directory(settings, files), settings.disk_reserve_bytes)
        cached = None if isinstance(files, LocalFiles) else _cached(settings)
        self.blobs = Blobs(self.database, files, staging, clock, continuity.note, cached)
        self.thumbnails = Thumbnails(settings.data_dir / "thumbnails", staging, self.database)
        self.banks = Banks(self.database, clock)
        self.images = Images(self.database, clock)
        self.versions = Versions(self.database, clock)
        self.jobs = Jobs(self.database, clock, settings.idempotency_hours)
        self.screenings = Screenings(self.database)
        self.checks = Checks(self.database, clock)
        self.leases = Leases(self.database, clock, settings.job_attempts)
        self.lease_watch = LeaseWatch(self.leases, clock, settings.lease_seconds)
        self.inspections = Inspections(self.database)
        self.descriptors = Descriptors(self.database)
        self.reviews = Reviews(self.database, clock)
        self.kinds = Kinds(self.database, clock)
        self.time = Timekeeper(self.database, clock)
        self.retention = Retention(self.database, clock, self.time, Rules.of(settings))
        self.samples = Samples(self.database, clock, sample_rules(settings))
        self.keys = Keys(self.database, clock, self.time, settings.key_max_days, continuity.note)
        self.people = People(self.database, clock)
        self.sessions = Sessions(self.database, clock)
        self.links = Links(self.database, self.keys, clock, self.time)
        self.audit = Audit(self.database, clock)
        self.origins = Origins(self.database, clock)
        self.servers = Servers(self.database, settings.lease_seconds)
        self.proofs = Proofs(self.database, clock)
        self.sinks = Sinks(self.database, clock)
        self.outbox = Outbox(self.database, clock, self.time, settings.retain_event_days)
        self.database.outbox = self.outbox

    def collect(self) -> Collected:
        """Delete the blobs nothing refers to, and what crashed uploads left."""
        self.blobs.staging.sweep(self._settings.blob_grace_seconds)
        collected = self.blobs.collect(self._settings.blob_grace_seconds)
        self.thumbnails.sweep()
        return collected

    def backup(self, path: Path) -> Manifest:
        """Write everything to one file while the store is in use (app/store/backup.py)."""
        return write_backup(self.database, self.blobs, self.clock, path)

    def note_backup(self, path: Path, manifest: Manifest, actor: str) -> None:
        """Write down that a backup was made, so that people see when the last one was, and without how many files."""
        lost = len(manifest["lost"])
        self.audit.note(actor, "store.backup", "store", file=path.name, **({"lost": lost} if lost else {}))
        self.note_lost(lost)

    def restore(self, path: Path) -> Manifest:
        """Fill this store, which must be empty, from a backup (app/store/backup.py)."""
        manifest = read_backup(self.database, self.blobs, path)
        self.note_lost(len(manifest.get("lost", {})))
        return manifest

    def verifier(self, read_bank: Callable[[Path], object] | None = None) -> Verifier:
        """To go through all files (app/store/verifying.py)."""
        return Verifier(self.database, self.blobs, read_bank)

    def healer(self) -> Healer:
        """To take back what is lost or damaged; reads all files first."""
        return Healer(self.blobs, self.verifier().findings())

    def note_healed(self, healer: Healer, actor: str) -> None:
        """Write down what was taken back, and what is still lost."""
        if healer.healed:
            self.audit.note(actor, "store.heal", "store", files=len(healer.healed))
        self.note_lost(len(healer.left))

    def note_lost(self, count: int) -> None:
        """Remember how many files were lost or damaged when all were looked at, for health."""
        with self.database.write() as session:
            note_lost(session, self.clock, count)

    def lost(self) -> tuple[int, datetime] | None:
        """How many files were lost or damaged when all were looked at last, and when that was; None if none was."""
        with self.database.read() as session:
            mark = session.get(Mark, LOST)
        return None if mark is None else (int(mark.value), mark.set_at)

    def begin_anew(self, actor: str) -> None:
        """Give up what an earlier database described: this empty one is the store's from now on.

        Raises ``StoreNotEmpty``.
        """
        if full := filled_tables(self.database):
            raise StoreNotEmpty(
                requirement="a store begins anew only with an empty database",
                received=f"one with rows in {', '.join(full)}",
                remedy="Start the server: nothing is lost; or give another NOMINAL_DATA_DIR.",
            )
        self.audit.note(actor, "store.begin_anew", "store")

    def close(self) -> None:
        """Give every connection back."""
        self.database.close()
        self.shipping.close()


@contextmanager
def open_store(settings: Settings, clock: Clock | None = None, *, anew: bool = False) -> Iterator[Store]:
    """A store, closed when the block ends."""
    store = Store(settings, clock, anew=anew)
    try:
        yield store
    finally:
        store.close()


def open_database(settings: Settings) -> Database:
    """The database of the settings, not migrated."""
    given = settings.database_url
    url = given.get_secret_value() if given else f"sqlite:///{(settings.data_dir / 'nominal.db').absolute()}"
    return Database(parse_url(url), pool=settings.database_pool, wait_seconds=settings.database_wait_seconds)


def open_blob_files(settings: Settings) -> BlobFiles:
    """The place of blobs of the settings."""
    secret = settings.blob_secret
    if not (settings.blob_url or "").startswith("s3://"):
        return open_files(settings.blob_url, settings.data_dir / "blobs")
    options: dict[str, Any] = {
        "endpoint_url": settings.blob_endpoint,
        "key": settings.blob_key,
        "secret": secret.get_secret_value() if secret else None,
        "client_kwargs": {"region_name": settings.blob_region} if settings.blob_region else None,
        "config_kwargs": {
            "connect_timeout": 5,
            "read_timeout": 60,
            "retries": {"mode": "standard", "total_max_attempts": 3},
        },
    }
    given = {name: value for name, value in options.items() if value is not None}
    return open_files(settings.blob_url, settings.data_dir / "blobs", **given)


def sample_rules(settings: Settings) -> SampleRules | None:
    """How much is kept of accepted parts; None where the policy is another one."""
    if settings.image_keep != "sample":
        return None
    return SampleRules(settings.image_sample_count, settings.image_sample_bytes)


def _cached(settings: Settings) -> CachedFiles | None:
    """Where banks of a remote place are kept as well; None where nothing is."""
    if not settings.blob_cache_bytes:
        return None
    return CachedFiles(settings.data_dir / "cache", settings.blob_cache_bytes)


def _staging_directory(settings: Settings, files: BlobFiles) -> Path:
    """Beside the blobs, so that publishing is a rename; on this machine where they are remote."""
    return (files.root if isinstance(files, LocalFiles) else settings.data_dir) / "partial"
