"""anomalib's PatchCore: its torch model with its own preprocessing, fed with the same weights and files."""

from __future__ import annotations

import io
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from bench.peers.worker import serve, words
from models.spec import ensure_torchvision

ensure_torchvision()
from anomalib.models import Patchcore  # noqa: E402
from anomalib.models.image.patchcore.torch_model import PatchcoreModel  # noqa: E402
from torchvision.transforms.v2.functional import to_dtype, to_image  # noqa: E402

BATCH = 32  # its data modules' default


class Anomalib:
    """One memory bank in memory."""

    def __init__(self, weights: Path, size: int, ratio: float) -> None:
        self.weights, self.ratio = weights, ratio
        self.transform = Patchcore.configure_pre_processor((size, size)).transform

    @torch.inference_mode()
    def build(self, images: list[Path], seed: int) -> dict[str, float]:
        torch.manual_seed(seed)
        np.random.seed(seed)  # its projection is scikit-learn's
        self.model = PatchcoreModel(["layer2", "layer3"], "resnet50", pre_trained=False)
        tensors = load_file(self.weights)
        found = self.model.feature_extractor.feature_extractor.load_state_dict(tensors, strict=False)
        missing = [key for key in found.missing_keys if not key.endswith("num_batches_tracked")]
        if missing:
            raise ValueError(f"the weights must hold every tensor that anomalib takes; they lack {missing}")
        self.model.train()
        for i in range(0, len(images), BATCH):
            self.model(self.inputs([image.read_bytes() for image in images[i : i + BATCH]]))
        started = time.perf_counter()
        self.model.subsample_embedding(self.ratio)
        seconds = time.perf_counter() - started
        self.model.eval()
        return {"coreset": seconds, "vectors": len(self.model.memory_bank)}

    @torch.inference_mode()
    def score(self, files: list[bytes]) -> list[float]:
        return self.model(self.inputs(files)).pred_score.flatten().tolist()

    def inputs(self, files: list[bytes]) -> Tensor:
        """As its datasets read images and its pre-processor prepares them."""
        images = [Image.open(io.BytesIO(file)).convert("RGB") for file in files]
        return torch.stack([self.transform(to_dtype(to_image(i), torch.float32, scale=True)) for i in images])


if __name__ == "__main__":
    options = words(__doc__).parse_args()
    torch.set_num_threads(options.threads)
    serve(Anomalib(options.weights, options.size, options.ratio))
