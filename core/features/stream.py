"""Named images -> patch vectors in batches: reading, the backbone and whoever takes the vectors work side by side.

Letters: b images of a batch, p patches, d dimensions, h w height and width.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import closing
from functools import partial

import torch
from jaxtyping import Float32
from torch import Tensor

from core.bank import BackboneRef, check_image_name
from core.config import DetectorConfig
from core.detector import Extractor
from core.errors import RegistrationError
from core.features.patches import Patches, patch_features
from core.groups import Describer
from core.input.augment import copies, poses
from core.input.cells import Cells
from core.input.photograph import Image, Photograph
from core.input.preprocess import reduced, to_tensor
from core.input.views import Placement, View, view_of
from core.parallel import ahead, run_alone
from core.registration import Location, Reference

BATCH = 4  # images a forward pass: as fast as more on a CPU, in less memory, and a build stops sooner
CONFORMANCE_IMAGES = 3
CONFORMANCE_SIDE = 384  # pixels; longer images are kept reduced to this

Seen = Image | Photograph | View
"""An image, decoded whole or not, or what is seen of it already."""


class ReadImages:
    """Of images in their order. fits, poses: where parts are registered. samples: some, kept for conformance."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.placements: list[Placement] = []
        self.fits: list[float] = []
        self.poses: list[tuple[float, ...]] = []
        self.samples: list[Image] = []

    def extend(self, more: ReadImages) -> None:
        """The next images, their samples left out."""
        self.names += more.names
        self.placements += more.placements
        self.fits += more.fits
        self.poses += more.poses


class FeatureStream(ReadImages):
    """Reads images once, and holds what was read so far.

    Each image gives its vectors as taken and then, by option, those of its copies (``core.input.augment``), of which
    only the vectors are kept.

    expected: about how many images come, which spreads the samples over them. check: called many times a
    second, from several threads; what it raises ends the stream. describer: keeps of each batch what
    near-duplicates are found by. reference: what parts are brought onto; all images must show a part that is located.
    first: the place of the first image among those of a build that several processes read.
    """

    def __init__(
        self,
        extract: Extractor,
        backbone: BackboneRef,
        config: DetectorConfig,
        expected: int,
        check: Callable[[], None],
        describer: Describer | None = None,
        reference: Reference | None = None,
        first: int = 0,
    ) -> None:
        super().__init__()
        self._extract = extract
        self._first = first
        self._reference = reference
        self._backbone = backbone
        self._config = config
        self._check = check
        self._describer = describer
        self._sampled = sampled(expected)

    def patches(self, image: Seen) -> Patches:
        """Those of one image, which is not counted as read."""
        return self._patches(self._input(self._view(image).picture)[None])

    def cells(self, view: int, grid: tuple[int, int]) -> Cells | None:
        """Those that count of the ``view``-th vectors given, those of copies among them; None for all."""
        return self.placements[view // self._config.augment.views].cells(self._config.input, grid)

    def batches(self, images: Iterable[tuple[str, Seen]]) -> Generator[Patches, None, None]:
        """Vectors of up to BATCH consecutive images whose inputs share a shape. Raises ShapeError for a bad name."""
        return ahead(self._extracted(images), between=self._check)

    def _extracted(self, images: Iterable[tuple[str, Seen]]) -> Generator[Patches, None, None]:
        with closing(ahead(self._inputs(images), between=self._check)) as inputs:
            for batch, taken in inputs:
                yield self._patches(batch, self._describer, taken)

    def _inputs(
        self, images: Iterable[tuple[str, Seen]]
    ) -> Generator[tuple[Float32[Tensor, "b 3 h w"], dict[int, Tensor]], None, None]:
        """Batches, each with what describes the images as taken, by their places in it."""
        waiting: list[Tensor] = []
        taken: dict[int, Tensor] = {}
        for x, described in self._views(images):
            if waiting and (len(waiting) == BATCH or waiting[0].shape != x.shape):
                yield torch.stack(waiting), taken
                waiting, taken = [], {}
            if described is not None:
                taken[len(waiting)] = described
            waiting.append(x)
        if waiting:
            yield torch.stack(waiting), taken

    def _views(
        self, images: Iterable[tuple[str, Seen]]
    ) -> Generator[tuple[Float32[Tensor, "3 h w"], Tensor | None], None, None]:
        """Each image and what describes it, which is the photograph as taken, registered or not; then its copies."""
        config = self._config
        for name, image in images:
            view = self._read(name, image)
            x = run_alone(partial(self._input, view.picture))
            still = view.placement.warp is None or self._describer is None
            yield x, x if still else run_alone(partial(self._input, view.photograph.pixels))
            posed = poses(config.augment, config.seed, self._first + len(self.names) - 1)[1:]
            for copy in copies(view.picture, config.input, posed):
                yield run_alone(partial(self._input, copy)), None

    def _read(self, name: str, image: Seen) -> View:
        check_image_name(name)
        view = self._view(image)
        if self._first + len(self.names) in self._sampled:
            self.samples.append(reduced(view.photograph.pixels, CONFORMANCE_SIDE))
        self.names.append(name)
        self.placements.append(view.placement)
        if view.location is not None:
            self._register(name, view.location)
        return view

    def _register(self, name: str, location: Location) -> None:
        if location.fit is None or not location.located:
            raise RegistrationError(
                requirement="every nominal image of a build with registration must show a part that is located",
                received=f"{name}: {location.refusal}",
                remedy="leave it out",
            )
        self.fits.append(location.fit)
        self.poses.append(location.pose)

    def _view(self, image: Seen) -> View:
        return view_of(image, self._config, self._backbone.mean, self._reference)

    def _input(self, picture: Image) -> Float32[Tensor, "3 h w"]:
        return to_tensor(picture, self._config.input, self._backbone.mean, self._backbone.std)

    def _patches(
        self,
        batch: Float32[Tensor, "b 3 h w"],
        describer: Describer | None = None,
        taken: Mapping[int, Tensor] | None = None,
    ) -> Patches:
        self._check()
        maps = self._extract(batch)
        if describer is not None and taken:
            self._describe(describer, batch, maps[-1], taken)
        return patch_features(maps, self._config.patch)

    def _describe(
        self,
        describer: Describer,
        batch: Float32[Tensor, "b 3 h w"],
        deepest: Float32[Tensor, "b c _ _"],
        taken: Mapping[int, Tensor],
    ) -> None:
        """By the features at hand; those of a photograph as taken are its own where its part was moved."""
        places = [*taken]
        if self._reference is None:
            all_of_it = len(places) == len(batch)
            describer.add(*((batch, deepest) if all_of_it else (batch[places], deepest[places])))
            return
        for x in taken.values():
            describer.add(x[None], self._extract(x[None])[-1])


def sampled(expected: int) -> set[int]:
    """Which of about so many images are kept for conformance, by their places."""
    return {round(i * (expected - 1) / (CONFORMANCE_IMAGES - 1)) for i in range(CONFORMANCE_IMAGES)}
