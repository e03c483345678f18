"""PatchCore as tutorials write it: torchvision features, the greedy loop, a flat FAISS index.

Plain on purpose: nothing here is tuned, and nothing is slower than the method as the paper states it.
"""

from __future__ import annotations

import io
import time
from pathlib import Path

import faiss
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from bench.peers.worker import serve, words
from models.spec import ensure_torchvision

ensure_torchvision()
from torchvision.models import resnet50  # noqa: E402
from torchvision.models.feature_extraction import create_feature_extractor  # noqa: E402
from torchvision.transforms import v2  # noqa: E402

PROJECTION = 128
BATCH = 8
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Textbook:
    """One bank in memory."""

    def __init__(self, weights: Path | None, size: int, ratio: float) -> None:
        torch.manual_seed(0)
        backbone = resnet50(weights=None)
        if weights is not None:
            backbone.load_state_dict(load_file(weights), strict=False)
        self.extract = create_feature_extractor(backbone.eval(), {"layer2": "layer2", "layer3": "layer3"})
        self.size, self.ratio = size, ratio
        self.transform = v2.Compose(
            [
                v2.Resize((size, size), antialias=True),
                v2.ToImage(),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize(MEAN, STD),
            ]
        )

    @torch.inference_mode()
    def build(self, images: list[Path], seed: int) -> dict[str, float]:
        torch.manual_seed(seed)
        batches = [images[i : i + BATCH] for i in range(0, len(images), BATCH)]
        patches = torch.cat([self.patches([image.read_bytes() for image in batch])[0] for batch in batches])
        started = time.perf_counter()
        chosen = greedy(patches, max(1, int(len(patches) * self.ratio)))
        seconds = time.perf_counter() - started
        self.index = faiss.IndexFlatL2(patches.shape[1])
        self.index.add(patches[chosen].numpy())
        return {"coreset": seconds, "vectors": len(chosen)}

    @torch.inference_mode()
    def score(self, files: list[bytes]) -> list[float]:
        patches, rows, columns = self.patches(files)
        squared, _ = self.index.search(patches.numpy(), 1)
        distances = torch.from_numpy(np.sqrt(squared)).reshape(len(files), 1, rows, columns)
        heat = F.interpolate(distances, size=(self.size, self.size), mode="bilinear")
        v2.functional.gaussian_blur(heat, [33, 33], [4.0, 4.0])
        return distances.flatten(1).amax(1).tolist()

    def patches(self, files: list[bytes]) -> tuple[Tensor, int, int]:
        """Every patch of a batch, one a row, and the grid's rows and columns."""
        images = [Image.open(io.BytesIO(file)).convert("RGB") for file in files]
        maps = self.extract(torch.stack([self.transform(image) for image in images]))
        fine, coarse = (F.avg_pool2d(maps[name], 3, 1, 1) for name in ("layer2", "layer3"))
        coarse = F.interpolate(coarse, size=fine.shape[-2:], mode="bilinear")
        joined = torch.cat([fine, coarse], 1)
        return joined.permute(0, 2, 3, 1).flatten(0, 2), *fine.shape[-2:]


def greedy(patches: Tensor, count: int) -> list[int]:
    """Indices of ``count`` rows, each the farthest from those before it, under a random projection."""
    projected = patches @ (torch.randn(patches.shape[1], PROJECTION) / PROJECTION**0.5)
    chosen = [int(torch.randint(len(projected), (1,)))]
    nearest = torch.linalg.norm(projected - projected[chosen[0]], dim=1)
    while len(chosen) < count:
        chosen.append(int(nearest.argmax()))
        nearest = torch.minimum(nearest, torch.linalg.norm(projected - projected[chosen[-1]], dim=1))
    return chosen


if __name__ == "__main__":
    options = words(__doc__).parse_args()
    torch.set_num_threads(options.threads)
    faiss.omp_set_num_threads(options.threads)
    serve(Textbook(options.weights, options.size, options.ratio))
