"""The whole detector as one torch module made to be traced: a picture in, its score and its map out.

What ``core.detector`` and ``core.judging.heatmap`` compute (Roth et al. 2022, Eq. 2, 3, 6 and 7), in operations that
ONNX and OpenVINO have. A picture is an image after the resize of ``core.input.preprocess``; a map has its size.
Letters: h w picture rows and columns, H W of the backbone's input, p patches, d dimensions, m bank vectors,
k neighbours, gh gw patch grid. Sides are tensors while a trace is made, so none is annotated as a number.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.bank import Bank
from core.config import InputConfig
from core.input.preprocess import LUMA, LUMA_SCALE, scale_and_shift
from core.judging.scoring import neighbourhoods

BLOCK = 4096  # bank vectors of one product


class DetectorGraph(nn.Module):
    """One picture (1, h, w, 3), RGB uint8 -> score (1,) and map (1, h, w), float32, in the units of the bank's scores.

    features: the backbone's folded module. offset: see ``core.judging.heatmap``. The search is exact, whatever index
    the bank has; where the bank crops, the map is 0 outside the crop.
    """

    around: Tensor

    def __init__(self, features: nn.Module, bank: Bank, offset: float) -> None:
        super().__init__()
        self._config, self._offset = bank.config, offset
        self.framing = _Framing(bank.config.input, bank.backbone.mean, bank.backbone.std)
        self.features = features
        self._step = None if bank.position is None else bank.position.step
        self.axes = None if bank.pca is None else _linear(bank.pca.components, bank.pca.mean)
        self.search = _Search(bank.vectors)
        if bank.config.reweight:
            rows = np.arange(len(bank.vectors))
            around = neighbourhoods(rows, bank.vectors, bank.index.search, bank.config.neighbours)
            self.register_buffer("around", torch.from_numpy(around))  # (m, k)

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        x = self.framing(picture)  # (1, 3, H, W)
        cells = self._cells(self.features(x))  # (1, d, gh, gw)
        vectors = cells.permute(0, 2, 3, 1).flatten(0, 2)  # (p, d)
        vectors = vectors if self.axes is None else self.axes(vectors)
        if self._step is not None:
            vectors = torch.cat([vectors, _places(cells.shape[2], cells.shape[3], self._step)], dim=1)
        distances, ids = self.search(vectors)  # (p,)
        grid = distances.reshape(cells.shape[2], cells.shape[3])
        heat = self._map(grid, x, self._offset)  # (H, W)
        score = distances.max()  # Eq. 6
        if self._config.score == "map":
            score = self._map(grid, x, 0.0).max()
        if self._config.reweight:
            score = self._reweighted(score, vectors, distances, ids)
        return score.reshape(1), self.framing.back(heat, picture)[None]

    def _cells(self, maps: list[Tensor]) -> Tensor:
        """As ``core.features.patches``: neighbourhoods averaged, in the finest grid, every stride-th cell."""
        size, stride = self._config.patch.size, self._config.patch.stride
        near = [F.avg_pool2d(each, size, stride=1, padding=size // 2) for each in maps]  # Eq. 2
        fine, first = near[0].shape[2:], (stride - 1) // 2
        near[1:] = [F.interpolate(each, size=fine, mode="bilinear", align_corners=False) for each in near[1:]]
        return torch.cat(near, dim=1)[:, :, first::stride, first::stride]  # Eq. 3

    def _map(self, grid: Tensor, x: Tensor, offset: float) -> Tensor:
        rows = _smoothed(x.shape[2], grid.shape[0], self._config.sigma, offset)  # (H, gh)
        columns = _smoothed(x.shape[3], grid.shape[1], self._config.sigma, offset)  # (W, gw)
        return rows @ grid @ columns.T

    def _reweighted(self, score: Tensor, vectors: Tensor, distances: Tensor, ids: Tensor) -> Tensor:
        """Eq. 7, as ``core.judging.scoring.reweight``."""
        worst = distances.argmax().reshape(1)
        around = self.around[ids[worst]].reshape(-1)  # (k,)
        excess = self.search.distances(vectors[worst])[around] - score
        highest = excess.max()
        log_sum = highest + (excess - highest).exp().sum().log()
        return score * (1 - (-log_sum.clamp(min=0)).exp())


class _Framing(nn.Module):
    """From a picture to the backbone's input, as ``to_tensor`` does after its resize; and a map's way back."""

    scale: Tensor
    shift: Tensor
    luma: Tensor

    def __init__(self, config: InputConfig, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self._config = config
        scale, shift = scale_and_shift(mean, std)
        self.register_buffer("scale", scale[:, None, None])
        self.register_buffer("shift", shift[:, None, None])
        self.register_buffer("luma", torch.tensor(LUMA, dtype=torch.float32)[:, None, None])

    def forward(self, picture: Tensor) -> Tensor:
        x = picture.permute(0, 3, 1, 2).float()
        if self._config.grey:  # whole numbers below 2 ** 24, so exact
            x = (((x * self.luma).sum(dim=1, keepdim=True) + LUMA_SCALE // 2) / LUMA_SCALE).floor()
        x = x * self.scale - self.shift
        if self._config.fit == "letterbox":
            x = F.pad(x, self._padding(x.shape[2], x.shape[3]))
        if self._config.crop is not None:
            left, _, top, _ = self._cropped(x.shape[2], x.shape[3])
            x = x[:, :, top : top + self._config.crop, left : left + self._config.crop]
        return x

    def back(self, heat: Tensor, picture: Tensor) -> Tensor:
        """(H, W) -> (h, w): what was cropped is 0, what was padded is left out."""
        h, w = picture.shape[1], picture.shape[2]
        letterbox, size = self._config.fit == "letterbox", self._config.size
        if self._config.crop is not None:
            heat = F.pad(heat[None], self._cropped(size, size) if letterbox else self._cropped(h, w))[0]
        if letterbox:
            left, _, top, _ = self._padding(h, w)
            heat = heat[top : top + h, left : left + w]
        return heat

    def _padding(self, h: Any, w: Any) -> tuple[Any, ...]:
        """Left, right, top and bottom, up to the square that the letterbox fills."""
        top, left = (self._config.size - h) // 2, (self._config.size - w) // 2
        return left, self._config.size - w - left, top, self._config.size - h - top

    def _cropped(self, h: Any, w: Any) -> tuple[Any, ...]:
        """Left, right, top and bottom of what a centre crop leaves out."""
        crop = self._config.crop or 0
        top, left = (h - crop) // 2, (w - crop) // 2
        return left, w - crop - left, top, h - crop - top


class _Search(nn.Module):
    """The nearest of m vectors: a product finds it, the difference to it is the distance. In blocks, to save memory."""

    centre: Tensor

    def __init__(self, vectors: np.ndarray) -> None:
        super().__init__()
        points = torch.from_numpy(np.array(vectors))
        centre = points.double().mean(dim=0).float()  # about which products lose the fewest digits
        self.register_buffer("centre", centre)
        self.blocks = [_Block(some - centre) for some in torch.split(points, BLOCK)]
        for i, block in enumerate(self.blocks):
            self.add_module(f"block{i}", block)

    def forward(self, queries: Tensor) -> tuple[Tensor, Tensor]:
        """Distances (p,), Euclidean, and ids (p,)."""
        queries = queries - self.centre
        squared, ids = zip(*(block(queries) for block in self.blocks), strict=True)
        if len(ids) == 1:
            return squared[0].sqrt(), ids[0]
        least, which = torch.stack(squared, dim=1).min(dim=1)
        starts = which * BLOCK
        return least.sqrt(), starts + torch.stack(ids, dim=1).gather(1, which[:, None])[:, 0]

    def distances(self, query: Tensor) -> Tensor:
        """(1, d) -> (m,): to every vector."""
        query = query - self.centre
        return torch.cat([block.squared(query) for block in self.blocks]).sqrt()


class _Block(nn.Module):
    points: Tensor
    bias: Tensor

    def __init__(self, points: Tensor) -> None:
        super().__init__()
        self.register_buffer("points", points)
        self.register_buffer("bias", (points.double().square().sum(dim=1) / -2).float())

    def forward(self, queries: Tensor) -> tuple[Tensor, Tensor]:
        """Squared distances (p,) and rows (p,) of the nearest."""
        rows = F.linear(queries, self.points, self.bias).argmax(dim=1)
        return (queries - self.points[rows]).square().sum(dim=1), rows

    def squared(self, query: Tensor) -> Tensor:
        """(1, d) -> (rows,): squared distances."""
        return (self.points - query).square().sum(dim=1)


def _linear(components: Tensor, mean: Tensor) -> nn.Linear:
    """Coordinates along components (k, d), the mean (d,) subtracted."""
    k, d = components.shape
    layer = nn.Linear(d, k)
    layer.weight.data = components.clone()
    layer.bias.data = -(components.double() @ mean.double()).float()
    return layer.requires_grad_(False)


def _places(rows: Any, columns: Any, step: float) -> Tensor:
    """(p, 2): as ``core.features.position``."""
    down, along = (step * torch.arange(side, dtype=torch.float32) for side in (rows, columns))
    places = torch.stack([down[:, None].expand(-1, columns), along[None].expand(rows, -1)], dim=2)
    return places.flatten(0, 1)


def _smoothed(pixels: Any, cells: Any, sigma: float, offset: float) -> Tensor:
    """(pixels, cells): one axis of ``core.judging.heatmap``: bilinear upsampling, then a renormalised Gaussian."""
    rows = torch.arange(pixels, dtype=torch.float32)
    places = ((rows + 0.5 - offset) * cells / pixels - 0.5).clamp(0, cells - 1)
    upsampled: Tensor = (1 - (places[:, None] - torch.arange(cells, dtype=torch.float32)).abs()).clamp(min=0)
    if sigma <= 0:
        return upsampled
    kernel: Tensor = (((rows[:, None] - rows) / sigma).square() / -2).exp()
    kernel = kernel / kernel.sum(dim=1, keepdim=True)
    return kernel @ upsampled
