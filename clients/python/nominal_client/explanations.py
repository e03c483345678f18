"""Calls that explain why an inspection scored as it did."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nominal_client.answers.explanations import Explanation, Method
from nominal_client.call import Call, get


def explain(inspection: str, method: Method = "patch-map") -> Call[Explanation]:
    """Why an inspection whose image was kept scored as it did, and how faithful the method is on this image.

    Only the patch map is what the decision rests on.
    """
    return get(Explanation, "/v1/inspections/{}/explanation", inspection, method=method, format="json")


def get_explanation_picture(inspection: str, method: Method = "patch-map") -> Call[bytes]:
    """The method's map over the image, a PNG."""
    return get(bytes, "/v1/inspections/{}/explanation", inspection, method=method, format="png")


def facts(found: Mapping[str, Any]) -> dict[str, Any]:
    """An explanation as lines to read: what it shows, how faithful it is, what carries the distance."""
    faithful = found["faithfulness"]
    parts = {**found["layers"], **({"place": found["place"]} if found["place"] else {})}
    return {
        "method": found["method"],
        "shows": found["says"],
        "decides": found["decides"],
        "distance": found["distance"],
        "worst place": f"x {found['at_x']}, y {found['at_y']}",
        "deletion": f"{faithful['deletion']:.3f} (patch map {faithful['patch_map_deletion']:.3f}, "
        f"random {faithful['random']:.3f}; smaller is more faithful)",
        "insertion": f"{faithful['insertion']:.3f} (patch map {faithful['patch_map_insertion']:.3f}, "
        f"random {faithful['random']:.3f}; larger is more faithful)",
        "layers": {name: f"{share:.1%}" for name, share in parts.items()},
        "channels": [
            f"{each['layer']} {each['channel']}: {each['share']:.1%}, {'more' if each['more'] else 'less'} than nominal"
            for each in found["channels"]
        ],
        "half of it in": f"{found['half']} channels",
    }
