"""Measure the ranges that int8 rounds a backbone's activations over: writes ``models/ranges/NAME.json``.

``python -m bench.ranges NAME`` runs the backbone in float32 on solar cells of the PyPI package elpv-dataset, each as
it is and once in strong colours, and keeps every convolution's least and largest input. The convolutions of FLOAT32
are left out of the file and stay in float32: rounding the first layers cost the most and saved the least.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from app.imaging.decode import decode_image
from bench.accuracy import RESNET50
from bench.datasets import Choice, elpv_split
from core.config import InputConfig
from core.input.photograph import Image
from core.input.preprocess import to_tensor
from models.backbone import load_module
from models.quantise import FOLDER, measure_ranges
from models.spec import BackboneSpec, spec_of
from models.weights import find_weights

FLOAT32 = {
    "resnet50": ("conv1",),
    "efficientnet-lite2": ("conv_stem", "blocks.0.0.conv_dw", "blocks.0.0.conv_pw"),
}
CELLS = 8  # of each cell type, nominal and defective
BATCH = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="+", choices=sorted(FLOAT32))
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder to write")
    options = parser.parse_args()
    for name in options.names:
        print(write_ranges(name, options.out))


def write_ranges(name: str, out: Path) -> Path:
    """Measure one backbone's ranges and write them as ``out/NAME.json``; four digits are kept."""
    spec = spec_of(name)
    weights = find_weights(spec, RESNET50 if name == "resnet50" and RESNET50.exists() else None).weights
    found = measure_ranges(load_module(spec, weights), _batches(spec))
    kept = {
        layer: [float(f"{value:.4g}") for value in ends]
        for layer, ends in found.items()
        if layer not in FLOAT32[name]
    }
    lines = ",\n".join(f"    {json.dumps(layer)}: {json.dumps(ends)}" for layer, ends in kept.items())
    file = out / f"{name}.json"
    file.write_text(f'{{\n  "digest": "{weights.digest}",\n  "inputs": {{\n{lines}\n  }}\n}}\n')
    return file


def _batches(spec: BackboneSpec) -> Iterator[Tensor]:
    tensors = [to_tensor(image, InputConfig(), spec.mean, spec.std) for image in calibration_images()]
    yield from torch.stack(tensors).split(BATCH)


def calibration_images() -> list[Image]:
    """Cells spread over the package, each followed by itself in colours."""
    found: list[Image] = []
    for cell_type in ("mono", "poly"):
        split = elpv_split(Choice(cell_type))
        for files in (split.train, split.defective):
            for file in files[:: len(files) // CELLS][:CELLS]:
                image = decode_image(file.read_bytes())
                found += [image, _coloured(image)]
    return found


def _coloured(image: Image) -> Image:
    """Red as it was, green inverted, blue the image turned upside down: opposite colours side by side."""
    grey = image[..., 0]
    return np.stack([grey, 255 - grey, grey[::-1]], axis=-1)


if __name__ == "__main__":
    main()
