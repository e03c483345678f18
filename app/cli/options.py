"""Options that several commands share, each declared once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from core.config import DetectorConfig
from core.features.patches import PatchConfig
from core.input.photograph import InputConfig
from core.search import IndexConfig

_defaults = DetectorConfig()

BackboneName = Annotated[
    str, typer.Option("--backbone", help="auto, resnet50, wide_resnet50_2, resnet18 or efficientnet-lite2.")
]
Weights = Annotated[
    Path | None, typer.Option("--weights", help="Weights file for the backbone: .pth or .safetensors.")
]
Offline = Annotated[bool, typer.Option("--offline", help="Never try to fetch weights.")]
Runtime = Annotated[str, typer.Option("--runtime", help="auto, torch, torch-cuda or openvino.")]
Precision = Annotated[
    str, typer.Option("--precision", help="auto, float32, bfloat16, int8 or, on CUDA, float16.")
]
Threads = Annotated[
    int | None, typer.Option("--threads", min=1, help="Compute threads; one a core that may be used.")
]
Size = Annotated[int, typer.Option("--size", help="Side of the input in pixels, a multiple of 32.")]
FitOption = Annotated[str, typer.Option("--fit", help="stretch, short_side or letterbox.")]
Crop = Annotated[
    int | None, typer.Option("--crop", help="Side of a centre crop after the resize; none by default.")
]
ReducedJpeg = Annotated[
    bool,
    typer.Option("--reduced-jpeg", help="Decode JPEG far larger than the input at a fraction of its scale."),
]
Ratio = Annotated[
    float, typer.Option("--coreset-ratio", help="Share of all nominal patches kept, in (0, 1].")
]
MaxVectors = Annotated[int, typer.Option("--max-bank-vectors", help="Upper bound on the kept patches.")]
MinVectors = Annotated[
    int, typer.Option("--min-bank-vectors", help="Patches kept at least, where there are so many.")
]
Seed = Annotated[int, typer.Option("--seed", help="Same images, options and seed: the same bank.")]
Target = Annotated[
    float, typer.Option("--target-false-reject", help="Share of good parts that may be rejected, in (0, 1).")
]
Review = Annotated[
    float | None,
    typer.Option(
        "--target-review", help="Share of good parts that may be reviewed or rejected; default: no review."
    ),
]
Reweight = Annotated[bool, typer.Option("--reweight", help="Score by Eq. 7 of the paper instead of Eq. 6.")]
PatchSize = Annotated[
    int, typer.Option("--patch-size", help="Odd side of the averaged window, in cells of a layer's map.")
]
Stride = Annotated[
    int, typer.Option("--stride", help="Every how many cells of the finest map a patch is taken.")
]
IndexKind = Annotated[
    str, typer.Option("--index", help="flat, which is exact, or for large banks hnsw or ivfpq.")
]
Pca = Annotated[
    int | None,
    typer.Option("--pca", help="Reduce patch vectors to so many principal components; whole by default."),
]
MemoryMb = Annotated[
    int, typer.Option("--memory-mb", min=64, help="Working memory of a build beyond the backbone.")
]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Skip images that cannot be read, naming them.")]

SIZE, FIT, RATIO = _defaults.input.size, _defaults.input.fit, _defaults.coreset_ratio
MAX_VECTORS, SEED, TARGET = _defaults.max_bank_vectors, _defaults.seed, _defaults.target_false_reject
MIN_VECTORS = _defaults.min_bank_vectors
PATCH_SIZE, STRIDE, INDEX = _defaults.patch.size, _defaults.patch.stride, _defaults.index.kind
MEMORY_MB = 1536


def detector_config(
    *,
    size: int,
    fit: str,
    crop: int | None,
    reduced_jpeg: bool,
    ratio: float,
    max_vectors: int,
    min_vectors: int,
    seed: int,
    target: float,
    review: float | None,
    reweight: bool,
    patch_size: int,
    stride: int,
    index: str,
    pca: int | None,
) -> DetectorConfig:
    """The config these options name. Raises ConfigError for a value outside its range."""
    return DetectorConfig(
        input=InputConfig(size, fit, crop, reduced_jpeg),
        patch=PatchConfig(patch_size, stride),
        index=IndexConfig(index),
        coreset_ratio=ratio,
        max_bank_vectors=max_vectors,
        min_bank_vectors=min_vectors,
        seed=seed,
        target_false_reject=target,
        target_review=review,
        reweight=reweight,
        pca=pca,
    )
