"""Named images -> patch vectors in batches: reading, the backbone and whoever takes the vectors work side by side.

Letters: b images of a batch, p patches, d dimensions, h w height and width.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from functools import partial

import torch
from jaxtyping import Float32
from torch import Tensor

from core.bank import BackboneRef, check_image_name
from core.config import DetectorConfig
from core.detector import Extractor
from core.features.patches import Patches, patch_features
from core.groups import Describer
from core.input.augment import copies, poses
from core.input.photograph import Image, Photograph
from core.input.preprocess import Frame, frame_of, reduced, to_tensor
from core.parallel import ahead, run_alone

BATCH = 4  # images a forward pass: as fast as more on a CPU, in less memory, and a build stops sooner
CONFORMANCE_IMAGES = 3
CONFORMANCE_SIDE = 384  # pixels; longer images are kept reduced to this


class FeatureStream:
    """Reads images once. names, frames, samples: what was read so far, and a few images for conformance.

    Each image gives its vectors as taken and then, by option, those of its copies (``core.input.augment``), of which
    only the vectors are kept.

    expected: about how many images come, which spreads the samples over them. check: called many times a
    second, from several threads; what it raises ends the stream. describer: keeps of each batch what
    near-duplicates are found by.
    """

    def __init__(
        self,
        extract: Extractor,
        backbone: BackboneRef,
        config: DetectorConfig,
        expected: int,
        check: Callable[[], None],
        describer: Describer | None = None,
    ) -> None:
        self._extract = extract
        self._backbone = backbone
        self._config = config
        self._check = check
        self._describer = describer
        self._sampled = {
            round(i * (expected - 1) / (CONFORMANCE_IMAGES - 1)) for i in range(CONFORMANCE_IMAGES)
        }
        self.names: list[str] = []
        self.frames: list[Frame] = []
        self.samples: list[Image] = []

    def patches(self, image: Image | Photograph) -> Patches:
        """Those of one image, which is not counted as read."""
        return self._patches(self._input(Photograph.of(image))[None])

    def batches(self, images: Iterable[tuple[str, Image | Photograph]]) -> Generator[Patches, None, None]:
        """Vectors of up to BATCH consecutive images whose inputs share a shape. Raises ShapeError for a bad name."""
        return ahead(self._extracted(images), between=self._check)

    def _extracted(self, images: Iterable[tuple[str, Image | Photograph]]) -> Generator[Patches, None, None]:
        with closing(ahead(self._inputs(images), between=self._check)) as inputs:
            for batch, taken in inputs:
                yield self._patches(batch, self._describer, taken)

    def _inputs(
        self, images: Iterable[tuple[str, Image | Photograph]]
    ) -> Generator[tuple[Float32[Tensor, "b 3 h w"], list[int]], None, None]:
        """Batches, each with the places in it of images as taken."""
        waiting: list[Tensor] = []
        taken: list[int] = []
        for x, copied in self._views(images):
            if waiting and (len(waiting) == BATCH or waiting[0].shape != x.shape):
                yield torch.stack(waiting), taken
                waiting, taken = [], []
            taken += [] if copied else [len(waiting)]
            waiting.append(x)
        if waiting:
            yield torch.stack(waiting), taken

    def _views(
        self, images: Iterable[tuple[str, Image | Photograph]]
    ) -> Generator[tuple[Float32[Tensor, "3 h w"], bool], None, None]:
        """Each image and, marked as such, its copies."""
        config = self._config
        for name, image in images:
            photograph = Photograph.of(image)
            yield self._read(name, photograph), False
            posed = poses(config.augment, config.seed, len(self.names) - 1)[1:]
            for copy in copies(photograph.pixels, config.input, posed):
                yield run_alone(partial(self._input, Photograph(copy))), True

    def _read(self, name: str, image: Photograph) -> Float32[Tensor, "3 h w"]:
        check_image_name(name)
        if len(self.names) in self._sampled:
            self.samples.append(reduced(image.pixels, CONFORMANCE_SIDE))
        self.names.append(name)
        self.frames.append(frame_of(self._config.input, image))
        return run_alone(lambda: self._input(image))

    def _input(self, image: Photograph) -> Float32[Tensor, "3 h w"]:
        return to_tensor(image.pixels, self._config.input, self._backbone.mean, self._backbone.std)

    def _patches(
        self,
        batch: Float32[Tensor, "b 3 h w"],
        describer: Describer | None = None,
        taken: Sequence[int] = (),
    ) -> Patches:
        self._check()
        maps = self._extract(batch)
        if describer is not None and taken:
            all_of_it = len(taken) == len(batch)
            describer.add(*((batch, maps[-1]) if all_of_it else (batch[list(taken)], maps[-1][list(taken)])))
        return patch_features(maps, self._config.patch)
