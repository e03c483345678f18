"""Banks in memory: loaded, proven, kept within a budget by least recent use, quarantined where they fail.

A version is served only after its bytes have their digest, its content has its own, its backbone is at hand and its
conformance images score as recorded. One that fails is set aside with the reason (app/inspection/fitness.py); the
others go on. What is in memory is found by its digest too, so a name or a number that comes to mean another file never
finds the one before.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache, cached_property, partial
from importlib.metadata import PackageNotFoundError, version
from typing import TypeVar

from app import __version__
from app.errors import VersionUnproven
from app.inspection.backbones import Backbones, in_turn
from app.inspection.engine import Engine
from app.inspection.fitness import DAMAGE as DAMAGE
from app.inspection.fitness import UNFIT as UNFIT
from app.inspection.fitness import Fitness
from app.inspection.fitness import Key as Key
from app.store import schema
from app.store.errors import NotFound, StoreError, VersionUnusable
from app.store.schema import Version
from app.store.store import Store
from core.bank import Bank, load_bank
from core.judging.scoring import Thresholds
from models.backbone import Backbone
from models.processor import features, model_name

V = TypeVar("V")
PREPARED, PREPARED_SECONDS = 4, 120.0  # banks that are about to be activated and kept for that, and how long
COPIES = 2  # of its vectors that a loaded bank holds, about


log = logging.getLogger(__name__)


@dataclass(eq=False)
class Loaded:
    """A version ready to inspect. difference: of its conformance scores, relative; seconds: its loading took."""

    key: Key
    sha256: str
    engine: Engine
    bytes: int
    difference: float
    seconds: float
    checked_at: float = field(default_factory=time.time)
    sound_at: int = 0
    """The bank's revision at which the store had nothing against the version."""
    judged: tuple[int, Thresholds] | None = None
    """The bank's revision, and the thresholds it has at that."""

    @cached_property
    def digests(self) -> dict[str, str]:
        """What decides a score besides the image: backbone, weights, bank file, configuration, arithmetic."""
        config = json.dumps(self.engine.bank.config.to_json(), sort_keys=True)
        backbone = self.engine.backbone
        return {
            "backbone": backbone.spec.name,
            "weights": backbone.digest,
            "bank": self.sha256,
            "config": hashlib.sha256(config.encode()).hexdigest(),
            "runtime": backbone.runtime,
            "precision": backbone.precision,
        }

    @cached_property
    def space(self) -> str:
        """What makes descriptors comparable, as a digest: the backbone, and all that makes a vector of a patch.

        Versions of a bank share it, unless they were built with other settings, or project on other components.
        """
        bank = self.engine.bank
        config = bank.config
        looks = {name: value for name, value in config.input.to_json().items() if name != "mask"}
        said = [self.engine.backbone.digest, looks, config.patch.to_json(), bank.vectors.shape[1]]
        said += [config.position, config.registration.on]
        digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode())
        if bank.pca is not None:
            digest.update(bank.pca.mean.numpy().tobytes() + bank.pca.components.numpy().tobytes())
        return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class Prepared:
    """A bank loaded and proven before it has a version's number."""

    sha256: str
    engine: Engine
    difference: float
    since: float = field(default_factory=time.monotonic)


class Registry:
    """Lives on the event loop. ``exclusively`` runs a function where inspections are computed, between two batches."""

    def __init__(
        self,
        store: Store,
        backbones: Backbones,
        budget_bytes: int,
        exclusively: Callable[[Callable[[], float]], Awaitable[float]],
    ) -> None:
        self._store, self._backbones, self.budget_bytes = store, backbones, budget_bytes
        self._exclusively = exclusively
        self.fitness = Fitness(store)
        self._checking = asyncio.Lock()
        self._ready: OrderedDict[Key, Loaded] = OrderedDict()
        self._loading: dict[Key, asyncio.Task[Loaded]] = {}
        self._prepared: OrderedDict[str, Prepared] = OrderedDict()
        self._pinned: set[str] = set()
        self._loader = ThreadPoolExecutor(1, "loader")

    async def get(self, key: Key, *, pinned: bool | None = None) -> Loaded:
        """A version ready to inspect; loads it at first, once for all who wait.

        ``pinned`` says whether the bank's versions stay in memory from now on. Raises ``VersionUnusable`` for one in
        quarantine or one that goes there now, ``NotFound`` where the store has none of this number and digest.
        """
        if pinned is not None:
            (self._pinned.add if pinned else self._pinned.discard)(key.bank)
        if (loaded := self._ready.get(key)) is not None:
            self._ready.move_to_end(key)
            return loaded
        if (task := self._loading.get(key)) is None:
            task = self._loading[key] = asyncio.create_task(self._load(key))
            task.add_done_callback(lambda done: self._forget_task(key, done))
        return await asyncio.shield(task)

    async def confirm(self, loaded: Loaded, revision: int) -> Loaded:
        """``loaded``, unless another server found its file damaged: asked once for each revision of its bank.

        Raises ``VersionUnusable``, ``NotFound``.
        """
        if loaded.sound_at != revision:
            version = await asyncio.to_thread(self._version, loaded.key)
            if version.state == "quarantined":
                self.drop(version.bank, version.number)
            self.fitness.refuse(version)
            loaded.sound_at = revision
        return loaded

    async def aside(self, key: Key) -> Loaded:
        """A version for a while: the one in memory, or one loaded only for the caller, which makes nobody leave.

        Raises as ``get`` does.
        """
        return self._ready.get(key) or await self._load(key, keep=False)

    def peek(self, key: Key) -> Loaded | None:
        """The version if it is in memory; its turn to leave stays."""
        return self._ready.get(key)

    def state_of(self, bank: schema.Bank, version: Version | None) -> str:
        """Of a bank by its active version: no_version, quarantined, ready, loading or not_loaded."""
        if version is None:
            return "no_version"
        if self.fitness.reason(version) is not None:
            return "quarantined"
        key = Key.of(version)
        if key in self._ready:
            return "ready"
        return "loading" if key in self._loading else "not_loaded"

    def loaded(self) -> list[Loaded]:
        """Everything in memory, least recently used first."""
        return [*self._ready.values()]

    def bytes(self) -> int:
        """Memory of what is loaded."""
        prepared = sum(memory_of(each.engine.bank) for each in [*self._prepared.values()])
        return prepared + sum(loaded.bytes for loaded in self._ready.values())

    async def retry(self, key: Key, *, pinned: bool | None = None) -> Loaded:
        """Load a version whether set aside or not, and release it if it was. Raises ``VersionUnusable``."""
        try:
            loaded = await self.get(key, pinned=pinned)
            return await self.confirm(loaded, -1)
        except VersionUnusable:
            return await self._load(key, release=True)

    async def check(self, loaded: Loaded) -> float:
        """Score the conformance images again; the largest relative difference. Sets aside what differs.

        One bank at a time: an inspection waits for one image of one check at most.
        """
        try:
            async with self._checking:
                loaded.difference = await self._conformance(loaded.engine)
            loaded.checked_at = time.time()
        except UNFIT as error:
            raise await self._set_aside(loaded.key, error) from error
        return loaded.difference

    async def prove(self, bank: Bank) -> float:
        """Whether a bank from elsewhere could serve here; its conformance difference.

        Raises CoreError, ModelError, VersionUnproven.
        """
        return (await self._proven(bank, None))[1]

    async def prepare(self, sha256: str) -> None:
        """Load and prove a bank that is about to be activated: ``get`` then finds it warm, the once.

        Keeps the latest ``PREPARED``. Raises CoreError, ModelError, BlobCorrupt, BlobMissing, VersionUnproven.
        """
        self._prepared[sha256] = await self._prepare(sha256)
        while len(self._prepared) > PREPARED:
            self._prepared.popitem(last=False)
        log.info("bank prepared", extra={"sha256": sha256})

    def forget_prepared(self) -> None:
        """What was not activated for ``PREPARED_SECONDS`` is not about to be."""
        old = time.monotonic() - PREPARED_SECONDS
        for sha256 in [sha256 for sha256, each in self._prepared.items() if each.since < old]:
            del self._prepared[sha256]

    def holds(self, sha256: str) -> bool:
        """Whether a bank file is in memory, as a version or about to be one."""
        return sha256 in self._prepared or any(key.sha256 == sha256 for key in self._ready)

    def has_room(self, bank: str, size: int) -> bool:
        """Whether a file of so many bytes fits without another bank's leaving, or its bank is in memory anyway."""
        if bank in self._pinned or any(key.bank == bank for key in self._ready):
            return True
        return self.bytes() + COPIES * size <= self.budget_bytes

    def drop(self, bank: str, number: int | None = None) -> None:
        """Let go of a bank's versions, or of one; inspections in flight keep theirs."""
        for key in [key for key in self._ready if key.bank == bank and number in (None, key.number)]:
            del self._ready[key]

    def close(self) -> None:
        """Begin no more loading."""
        self._loader.shutdown(wait=False, cancel_futures=True)

    # Loading

    async def _load(self, key: Key, release: bool = False, keep: bool = True) -> Loaded:
        started = time.monotonic()
        version = await asyncio.to_thread(self._version, key)  # the loader may be busy for long
        if not release:
            self.fitness.refuse(version)
        try:
            prepared = self._prepared.pop(version.sha256, None) if keep else None
            proven = prepared or await self._prepare(version.sha256, anew=release)
        except UNFIT as error:
            raise await self._set_aside(key, error) from error
        await self._in_loader(lambda: self.fitness.clear(version))
        seconds = time.monotonic() - started
        engine = proven.engine
        loaded = Loaded(key, proven.sha256, engine, memory_of(engine.bank), proven.difference, seconds)
        if keep:
            self._ready[key] = loaded
            self._make_room(key)
        log.info("bank loaded", extra={"bank": key.bank, "version": key.number, "seconds": round(seconds, 3)})
        return loaded

    def _version(self, key: Key) -> Version:
        """Raises ``NotFound`` too where the number is another file's now."""
        version = self._store.versions.get(key.bank, key.number)
        if version.sha256 == key.sha256:
            return version
        raise NotFound(
            requirement=f"version {key.number} of {key.bank} must be the file with the digest {key.sha256[:12]}",
            received=f"the digest {version.sha256[:12]}",
            remedy="Ask again: the bank was deleted or restored meanwhile.",
        )

    async def _prepare(self, sha256: str, anew: bool = False) -> Prepared:
        """anew: whatever copy or proof is remembered, read from where it lies and prove."""
        bank = await self._in_loader(lambda: self._read_surely(sha256, anew))
        return Prepared(sha256, *await self._proven(bank, sha256, anew))

    async def _proven(self, bank: Bank, sha256: str | None, anew: bool = False) -> tuple[Engine, float]:
        """In the precision that is asked for, or that of the build where it scores differently in the other."""
        for attempt in in_turn(self._backbones.precisions(bank.backbone)):
            with attempt as precision:
                engine = await self._in_loader(partial(self._engine, bank, precision))
                if sha256 is None:
                    return engine, await self._conformance(engine)
                return engine, await self._agreement(engine, sha256, anew)
        raise AssertionError("the last attempt returns or raises")

    async def _agreement(self, engine: Engine, sha256: str, anew: bool) -> float:
        """By its proof where one is remembered, else by its conformance images."""
        of, proofs = (sha256, *arithmetic(engine.backbone)), self._store.proofs
        known = None if anew else await self._in_loader(lambda: proofs.get(of))
        if known is not None:
            return known
        difference = await self._conformance(engine)
        with contextlib.suppress(StoreError):  # the next loading proves it again
            await self._in_loader(lambda: proofs.keep(of, sha256, difference))
        return difference

    def _read_surely(self, sha256: str, anew: bool = False) -> Bank:
        """Damage counts where a second read finds it too."""
        try:
            return self._read(sha256, anew)
        except DAMAGE as error:
            log.warning("a bank is read once more: %s", error)
            return self._read(sha256, anew=True)

    def _read(self, sha256: str, anew: bool = False) -> Bank:
        with self._store.blobs.as_file(sha256, anew=anew) as path:
            return load_bank(path)

    def _engine(self, bank: Bank, precision: str) -> Engine:
        """On the loader thread, with one inspection: what a new input size compiles and allocates stalls nobody."""
        engine = Engine(self._backbones.of(bank.backbone, precision), bank)
        if bank.conformance.images:
            engine.inspect(bank.conformance.images[:1])
        return engine

    async def _conformance(self, engine: Engine) -> float:
        if not engine.bank.conformance.images:
            raise VersionUnproven(
                requirement="a bank must hold images by which it can prove that it scores here as where it was built",
                received="none",
                remedy="Build the bank again.",
            )
        images = range(len(engine.bank.conformance.images))
        return engine.agrees([await self._exclusively(partial(engine.conformance_score, i)) for i in images])

    async def _set_aside(self, key: Key, error: Exception) -> VersionUnusable:
        self.drop(key.bank, key.number)
        return await self._in_loader(lambda: self.fitness.set_aside(key, error))

    def _make_room(self, newest: Key) -> None:
        """Let the least recently used go until the budget holds; the pinned and the newest stay."""
        for key in [*self._ready]:
            if self.bytes() <= self.budget_bytes:
                return
            if key != newest and key.bank not in self._pinned:
                log.info("bank unloaded", extra={"bank": key.bank, "version": key.number})
                del self._ready[key]

    def _forget_task(self, key: Key, task: asyncio.Task[Loaded]) -> None:
        del self._loading[key]
        if not task.cancelled():
            task.exception()  # whoever waited has it; nobody waiting is no fault

    async def _in_loader(self, function: Callable[[], V]) -> V:
        return await asyncio.get_running_loop().run_in_executor(self._loader, function)


def arithmetic(backbone: Backbone) -> tuple[str, ...]:
    """What decides a bank's scores besides its file: weights, runtime, precision, releases and the processor."""
    return (backbone.digest, backbone.runtime, backbone.precision, *_releases())


@cache
def _releases() -> tuple[str, ...]:
    """Of what computes, and the processor by its name and features."""
    found = []
    for package in ("nominal-inspection", "torch", "openvino", "faiss-cpu", "numpy", "pillow"):
        with contextlib.suppress(PackageNotFoundError):
            found.append(f"{package} {version(package)}")
    return (*found, __version__, model_name(), *sorted(features()))


def memory_of(bank: Bank) -> int:
    """Bytes a loaded bank holds, about: its arrays and the index's own copy of the vectors."""
    images = sum(image.nbytes for image in bank.conformance.images)
    arrays = sum(array.nbytes for array in bank.index.arrays().values())
    return COPIES * bank.vectors.nbytes + arrays + images + 12 * len(bank.vectors)
