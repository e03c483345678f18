"""Image files -> a bank, by hosts that share the stages: what ``app.learning.learn`` gives, bit for bit."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from app import __version__
from app.errors import ImageRefused
from app.imaging.decode import ImageLimits, decode_photograph
from app.inspection.backbones import backbone_ref
from app.learning.learn import BuiltBank, Hooks, build_with, check_supported, checked_groups, regrouped
from app.learning.likeness import Likeness
from app.learning.registering import Named, Registering
from app.learning.sharded.across import Across
from app.learning.sharded.crew import Crew
from app.learning.sharded.host import Order, Recipe, ShardRead
from app.learning.sharded.hosts import Hosts
from core.build import BuildLimits, stopped, too_few
from core.config import DetectorConfig
from core.features.stream import CONFORMANCE_SIDE, sampled
from core.groups import Described, Groups, by_likeness
from core.input.photograph import Image, Photograph
from core.input.preprocess import reduced
from models.backbone import Backbone

SHARD_IMAGES = 64  # what a process that ends costs at most

File = tuple[str, Callable[[], bytes]]
"""An image's name in the bank, which says its content too, and what reads its bytes."""

Start = Callable[[Recipe], Hosts]
"""Starts the hosts of a build."""


def learn_sharded(
    images: Sequence[File],
    backbone: Backbone,
    opened: Callable[[], Backbone],
    config: DetectorConfig,
    start: Start,
    limits: ImageLimits,
    hooks: Hooks | None = None,
    room: BuildLimits | None = None,
    groups: Groups | None = None,
    size: int = SHARD_IMAGES,
) -> BuiltBank:
    """As ``learn``, by the hosts that ``start`` gives. opened: loads the backbone there. size: images of a shard.

    Images that cannot be read end the build; those whose part is not located are left out. Raises as ``learn``,
    ClusterGone, ClusterRefused, BankMismatch where a host has another backbone.
    """
    hooks, room = hooks or Hooks(), room or BuildLimits()
    check_supported(len(images), config)
    if groups is not None:
        checked_groups(groups, config, hooks)
    named = [(name, partial(_decoded, read, config, limits)) for name, read in images]
    registering = Registering.over(named, config, backbone.spec.mean)
    recipe = Recipe(
        opened,
        backbone_ref(backbone),
        config,
        registering.reference,
        limits,
        groups is None,
        room.memory_bytes,
    )
    return _Sharded(images, named, backbone, recipe, registering, hooks, groups, size).run(start)


class _Sharded:
    def __init__(
        self,
        images: Sequence[File],
        named: Sequence[Named],
        backbone: Backbone,
        recipe: Recipe,
        registering: Registering,
        hooks: Hooks,
        groups: Groups | None,
        size: int,
    ) -> None:
        self._images, self._named, self._backbone = images, named, backbone
        self._recipe, self._registering, self._hooks = recipe, registering, hooks
        self._groups, self._size = groups, size
        self._skipped: list[tuple[str, str]] = []
        self._notices: list[str] = []

    def run(self, start: Start) -> BuiltBank:
        hosts = start(self._recipe)
        try:
            crew = Crew(hosts, self._given, self._check)
            shards = self._read(crew)
            kept = [order * self._size + i for order, shard in enumerate(shards) for i in shard.kept]
            self._leave_out(shards)
            config, ref = self._recipe.config, self._recipe.ref
            described = [shard.described for shard in shards if shard.described is not None]
            build = build_with(self._backbone, config, self._hooks, None, None, self._recipe.reference)
            rows, columns = next(shard.grids[0] for shard in shards if shard.grids)
            planned = build.planned(rows * columns, sum(ref.channels), len(self._images))
            stages = Across(crew, shards, config, sum(ref.channels), planned)
            stages.read.samples = [
                self._sample(kept[i]) for i in sorted(sampled(len(self._images))) if i < len(kept)
            ]
            found = Described.of(described) if self._groups is None else None
            bank = build.bank_of(stages, lambda: self._parts(shards, found, kept))
            for host, orders in enumerate(crew.orders):
                hosts.submit(host, "forget", [order.key for order in orders]).exception(10)
            return BuiltBank(bank, tuple(self._skipped), tuple(self._notices), found)
        finally:
            hosts.close()

    def _read(self, crew: Crew) -> list[ShardRead]:
        """All shards, in their order; again those whose images turn out to stand elsewhere among those kept."""
        found: dict[int, ShardRead] = {}
        done, total = 0, len(self._images)

        def taken(number: int, shard: ShardRead) -> None:
            nonlocal done
            refused = next((why for _, why in shard.lost if isinstance(why, ImageRefused)), None)
            if refused is not None:
                raise refused
            found[number] = shard
            done += len(shard.kept) + len(shard.lost)
            if self._hooks.progress:
                self._hooks.progress("features", min(done, total), total)

        orders = [self._order(n, n * self._size) for n in range(-(-total // self._size))]
        crew.read(orders, taken)
        if sum(len(shard.kept) for shard in found.values()) < 2:
            raise too_few(sum(len(shard.kept) for shard in found.values()))
        if self._recipe.config.augment.random:
            moved, first = list[Order](), 0
            for order in orders:
                if first != order.first:
                    moved.append(replace(order, first=first, key=self._key(order.number, first)))
                first += len(found[order.number].kept)
            again = {order.number for order in moved}
            crew.orders = [[order for order in held if order.number not in again] for held in crew.orders]
            crew.read(moved, taken)
        return [found[number] for number in sorted(found)]

    def _order(self, number: int, first: int) -> Order:
        return Order(number, self._key(number, first), first)

    def _key(self, number: int, first: int) -> str:
        recipe = self._recipe
        place = first if recipe.config.augment.random else None
        names = [name for name, _ in self._images[number * self._size : (number + 1) * self._size]]
        said = (
            __version__,
            recipe.ref,
            recipe.config.to_json(),
            recipe.describe,
            place,
            names,
            recipe.limits,
        )
        digest = hashlib.sha256(repr(said).encode())
        if (reference := recipe.reference) is not None:
            digest.update(repr((reference.name, reference.size, reference.picture.shape)).encode())
            for part in (reference.picture, reference.fits, *vars(reference.keypoints).values()):
                digest.update(np.ascontiguousarray(part).tobytes())
        return digest.hexdigest()

    def _given(self, order: Order) -> list[tuple[str, bytes]]:
        some = self._images[order.number * self._size : (order.number + 1) * self._size]
        return [(name, read()) for name, read in some]

    def _leave_out(self, shards: Sequence[ShardRead]) -> None:
        """Name the images whose part is not located."""
        for order, shard in enumerate(shards):
            for i, reason in shard.lost:
                name = self._images[order * self._size + i][0]
                self._registering.lose(name, len(self._images))
                self._skipped.append((name, str(reason)))
                self._hooks.say(f"Skipped {name}: {reason}")
                if not self._hooks.any_rate:
                    check_supported(len(self._images) - len(self._skipped), self._recipe.config)

    def _parts(self, shards: Sequence[ShardRead], described: Described | None, kept: Sequence[int]) -> Groups:
        likeness = Likeness()
        for shard in shards:
            likeness.extend(shard.likeness)
        if self._groups is not None:
            found = regrouped(self._groups, kept)
        else:
            assert described is not None
            found = by_likeness(described, self._recipe.config.seed, self._check)
        said = (
            self._registering.notice(len(self._images)),
            *likeness.notices(),
            likeness.detail(self._recipe.config.input.size),
            *(f"{sentence[0].upper()}{sentence[1:]}." for sentence in found.notices()),
        )
        for sentence in filter(None, said):
            self._notices.append(sentence)
            self._hooks.say(sentence)
        return checked_groups(found, self._recipe.config, self._hooks)

    def _sample(self, place: int) -> Image:
        return reduced(self._named[place][1]().pixels, CONFORMANCE_SIDE)

    def _check(self) -> None:
        if self._hooks.cancelled and self._hooks.cancelled():
            raise stopped("features")


def _decoded(read: Callable[[], bytes], config: DetectorConfig, limits: ImageLimits) -> Photograph:
    return decode_photograph(read(), config.input, limits)
