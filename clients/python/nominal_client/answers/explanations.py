"""Explanations of a score."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from nominal_client.answers import Answer

Method = Literal["patch-map", "saliency", "guided", "deconvnet", "cam", "grad-cam", "grad-cam++", "layer-cam"]


class Faithfulness(Answer):
    """Whether cells that the map ranks high carry the score: areas under its share of the distance, from 0 to 1.

    A cell is deleted when it is replaced by its nearest nominal patch.
    """

    deletion: float = Field(description="Cells deleted, highest first; smaller is more faithful.")
    insertion: float = Field(description="Deleted cells put back, highest first; larger is more faithful.")
    patch_map_deletion: float = Field(description="Of the patch map, below which no map comes.")
    patch_map_insertion: float = Field(description="Of the patch map, above which no map comes.")
    random: float = Field(description="Of a map of noise, either way, as expected over all of them.")
    deletion_curve: list[float] = Field(description="At evenly spaced shares of the cells, from 0 to 1.")
    insertion_curve: list[float]


class ChannelShare(Answer):
    """One channel of the backbone: its share of the worst patch's squared distance."""

    layer: str
    channel: int
    share: float
    more: bool = Field(description="Whether the patch has more of it than its nearest nominal patch.")


class Explanation(Answer):
    """Why an inspection scored as it did. Maps are drawn by ``format=png``."""

    inspection: str
    bank: str
    version: int
    method: Method
    says: str = Field(description="What the method shows.")
    meaning: str = Field(description="What the values of its map mean.")
    decides: bool = Field(description="Whether decisions rest on this map: only on the patch map.")
    distance: float = Field(description="What is explained: of the worst patch to its nearest nominal one.")
    at_x: int
    at_y: int
    precision: str = Field(description="In which it was explained.")
    note: str | None = Field(description="Where the inspection was in another precision.")
    faithfulness: Faithfulness
    layers: dict[str, float] = Field(description="Share of the squared distance by layer.")
    place: float = Field(description="The same of where the patch lies, in banks to which that counts.")
    channels: list[ChannelShare] = Field(description="The largest shares, the largest first.")
    half: int = Field(description="The fewest channels that carry half of what all carry.")
    milliseconds: float
