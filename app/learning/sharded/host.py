"""One process of a build that many share: it holds some shards of the images, and does with them what it is asked.

A shard's vectors are a file named by all that they depend on, renamed once it is whole: who builds again, in place of a
process that was killed, opens it instead of extracting. Letters: n points of this host, p picks, m bank vectors.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, Int32, Int64
from torch import Tensor

from app.errors import ImageRefused
from app.imaging.decode import ImageLimits, decode_photograph
from app.inspection.backbones import backbone_ref
from app.learning.likeness import Likeness
from app.learning.registering import Registering
from core.bank import BackboneRef
from core.build import projected
from core.config import DetectorConfig
from core.errors import BankMismatch
from core.features.pca import Pca
from core.features.position import Position
from core.features.space import in_space
from core.features.stream import FeatureStream, ReadImages
from core.groups import Described, Describer
from core.input.mask import check_aspect
from core.input.views import View
from core.judging.calibrate import judged
from core.judging.held_out import HeldOutBank
from core.memory.patch_store import PatchStore
from core.memory.rows import Filed
from core.memory.shard import Candidates, Shard
from core.memory.substitutes import NearestPicks, nearest_picks
from core.registration import Reference
from core.search import Index
from models.backbone import Backbone

DAYS = 7  # that a shard's file stays when nobody asks for it
_PART = 1 << 22  # bytes read at a time


@dataclass(frozen=True)
class Recipe:
    """What every host of a build starts with. open: loads its backbone, which must be ``ref``.

    directory: of shards' files; None: a folder of this user's in the system's temporary one. memory_bytes: for points.
    """

    open: Callable[[], Backbone]
    ref: BackboneRef
    config: DetectorConfig
    reference: Reference | None
    limits: ImageLimits
    describe: bool
    memory_bytes: int
    directory: Path | None = None


@dataclass(frozen=True)
class Order:
    """One shard. key: names all that its vectors depend on. first: the place of its first image among all kept."""

    number: int
    key: str
    first: int


@dataclass(frozen=True, eq=False)
class ShardRead:
    """What a shard gave, without its vectors. kept: places of its images that were learned; lost: of the others,
    with the reason. grids: of all views. checksum: of the file of vectors.
    """

    read: ReadImages
    likeness: Likeness
    described: Described | None
    kept: tuple[int, ...]
    lost: tuple[tuple[int, ImageRefused | str], ...]
    grids: tuple[tuple[int, int], ...]
    checksum: int


@dataclass(eq=False)
class _Held:
    whole: PatchStore
    found: ShardRead
    compared: PatchStore | None = None
    first: int = 0  # id of its first vector among all


class Host:
    """Its methods are called one after another, ``read`` of all its shards first."""

    def __init__(self, recipe: Recipe) -> None:
        torch.set_num_threads(1)
        self._recipe = recipe
        self._backbone: Backbone | None = None
        self._held: dict[int, _Held] = {}
        self._directory = _folder(recipe.directory)
        self._points = Filed(1, 0)
        self._ids = np.empty(0, np.int64)
        self._shard: Shard | None = None
        self._bank: Index | None = None

    def read(self, order: Order, images: Sequence[tuple[str, bytes]] | None) -> ShardRead | None:
        """Take a shard in: from its file or, given its images, anew. None where there is neither."""
        held = self._opened(order.key)
        if held is None:
            if images is None:
                return None
            self._extract(order, images)
            held = self._opened(order.key)
            assert held is not None
        self._held[order.number] = held
        return held.found

    def whole(self, number: int, rows: Int64[np.ndarray, " m"]) -> Float32[np.ndarray, "m _"]:
        """Vectors of a shard before components or places."""
        return self._held[number].whole.rows(rows)

    def settle(
        self,
        firsts: dict[int, int],
        pca: Pca | None,
        position: Position | None,
        projection: Float32[Tensor, "d k"] | None,
        dimension: int,
    ) -> None:
        """How vectors are compared and searched. firsts: of each shard the id of its first vector among all."""
        config, ids = self._recipe.config, []
        width = dimension if projection is None else projection.shape[1]
        self._points = Filed(width, self._recipe.memory_bytes // (4 * width), self._directory)
        for number in sorted(firsts):
            held = self._held[number]
            held.first, held.compared = firsts[number], self._compared(held, pca, position, dimension)
            for view in range(held.compared.images):
                grid = held.compared.grid(view)
                cells = held.found.read.placements[view // config.augment.views].cells(config.input, grid)
                vectors = torch.from_numpy(held.compared.image_vectors(view))
                (points,) = projected(vectors[None], projection)
                rows = np.arange(len(points)) if cells is None else cells.rows
                self._points.append(points.numpy()[rows])
                ids.append(held.first + held.compared.ids(view).start + rows)
        self._ids = np.concatenate(ids) if ids else np.empty(0, np.int64)

    def start(self, centres: Float32[np.ndarray, "p k"], capacity: int) -> None:
        """Begin a search with the picks so far."""
        self._shard = Shard(self._points, self._ids, capacity)
        self._shard.start(centres)

    def step(self, centres: Float32[np.ndarray, "p k"]) -> Candidates:
        """See ``core.memory.shard``."""
        assert self._shard is not None
        return self._shard.step(centres)

    def points(self, rows: Int64[np.ndarray, " m"]) -> Float32[np.ndarray, "m k"]:
        """Of this host's points."""
        return self._points.take(rows)

    def rows(self, number: int, rows: Int64[np.ndarray, " m"]) -> Float32[np.ndarray, "m d"]:
        """Vectors of a shard as they are compared."""
        compared = self._held[number].compared
        assert compared is not None
        return compared.rows(rows)

    def nearest(
        self,
        picks: Float32[np.ndarray, "m k"],
        picked: Int32[np.ndarray, " m"],
        owner: Int32[np.ndarray, " n"],
        own_distances: bool,
    ) -> NearestPicks | None:
        """Of all its points; None for none. picked: the picks' groups; owner: the points'."""
        self._shard = None
        if not len(self._points):
            return None
        return nearest_picks(self._points, owner, picks, picked, own_distances=own_distances)

    def bank(self, vectors: Float32[np.ndarray, "m d"]) -> None:
        """What parts are judged by from now on."""
        self._bank = Index.build(vectors)

    def judge(
        self,
        number: int,
        image: int,
        own: Int64[np.ndarray, " e"],
        put_in: Float32[np.ndarray, "s d"],
        kept: Float32[np.ndarray, " p"] | None,
        offset: float,
    ) -> tuple[float, float]:
        """(score, peak) of a shard's image by the bank without ``own``, ``put_in`` in their place."""
        held, config = self._held[number], self._recipe.config
        assert held.compared is not None
        assert self._bank is not None
        view = image * config.augment.views
        bank = HeldOutBank(self._bank, own, put_in)
        vectors, grid = held.compared.image_vectors(view), held.compared.grid(view)
        return judged(vectors, grid, held.found.read.placements[image], bank, config, offset, kept)

    def forget(self, keys: Sequence[str]) -> None:
        """Delete the files of shards: the build has ended."""
        for key in keys:
            for path in self._files(key):
                path.unlink(missing_ok=True)

    def _compared(
        self, held: _Held, pca: Pca | None, position: Position | None, dimension: int
    ) -> PatchStore:
        if pca is None and position is None:
            return held.whole
        store = PatchStore(dimension, 0, self._directory)
        for patches in in_space(held.whole, pca, position, torch.device("cpu"), lambda: None):
            store.extend(patches)
        return store

    def _files(self, key: str) -> tuple[Path, Path]:
        return self._directory / f"{key}.vectors", self._directory / f"{key}.shard"

    def _opened(self, key: str) -> _Held | None:
        """A shard whose files are whole."""
        vectors, about = self._files(key)
        try:
            found = pickle.loads(about.read_bytes())  # in a folder that only this user writes to
            if _checksum(vectors) != found.checksum:
                return None
            whole = PatchStore.reopened(sum(self._recipe.ref.channels), vectors, found.grids)
        except OSError:
            return None
        return _Held(whole, found)

    def _extract(self, order: Order, images: Sequence[tuple[str, bytes]]) -> None:
        vectors, about = self._files(order.key)
        part = vectors.with_suffix(f".{os.getpid()}.{time.monotonic_ns()}")
        try:
            found = self._read(order, images, part)
            part.replace(vectors)
            part.write_bytes(pickle.dumps(found))
            part.replace(about)
        finally:
            part.unlink(missing_ok=True)

    def _read(self, order: Order, images: Sequence[tuple[str, bytes]], file: Path) -> ShardRead:
        recipe, backbone = self._recipe, self._loaded()
        config = recipe.config
        named = [
            (name, partial(decode_photograph, data, config.input, recipe.limits)) for name, data in images
        ]
        registering = Registering(config, recipe.ref.mean, recipe.reference)
        describer = Describer(config.seed) if recipe.describe else None
        likeness, kept, lost = Likeness(), list[int](), list[tuple[int, ImageRefused | str]]()

        def readable() -> Iterator[tuple[str, View]]:
            with closing(registering.views(named)) as views:
                for i, (name, view, reason) in enumerate(views):
                    if isinstance(view, ImageRefused) or reason is not None:
                        lost.append((i, view if isinstance(view, ImageRefused) else reason or ""))
                        continue
                    if recipe.reference is None:
                        check_aspect(config.input.mask, *view.photograph.shape, name)
                    kept.append(i)
                    likeness.add(name, view.photograph)
                    yield name, view

        stream = FeatureStream(
            backbone, recipe.ref, config, 0, lambda: None, describer, recipe.reference, order.first
        )
        with PatchStore(sum(recipe.ref.channels), 0, self._directory, file) as store:
            for batch in stream.batches(readable()):
                store.extend(batch)
            grids = tuple(store.grid(view) for view in range(store.images))
        read = ReadImages()
        read.extend(stream)
        described = describer.described() if describer is not None and kept else None
        return ShardRead(read, likeness, described, tuple(kept), tuple(lost), grids, _checksum(file))

    def _loaded(self) -> Backbone:
        """Raises BankMismatch for another backbone than the build's."""
        if self._backbone is None:
            backbone = self._recipe.open()
            if (here := backbone_ref(backbone)) != self._recipe.ref:
                raise BankMismatch(
                    requirement="every machine of a cluster must have the build's backbone, weights, runtime and "
                    "precision",
                    received=f"{here.name} {here.digest[:12]} by {here.runtime} in {here.precision}",
                    remedy="install the same release and weights on all of them",
                )
            self._backbone = backbone
        return self._backbone


def _folder(asked: Path | None) -> Path:
    """Of shards' files, this user's only; those that nobody asked for in a week are gone. Raises OSError."""
    folder = asked or Path(tempfile.gettempdir()) / f"nominal-shards-{os.getuid()}"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    about = folder.stat()
    if about.st_uid != os.getuid() or about.st_mode & 0o022:
        raise PermissionError(f"{folder} may be written by others")
    for path in folder.iterdir():
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < time.time() - DAYS * 86_400:
                path.unlink()
    return folder


def _checksum(path: Path) -> int:
    found = 0
    with path.open("rb") as file:
        while data := file.read(_PART):
            found = zlib.crc32(data, found)
    return found
