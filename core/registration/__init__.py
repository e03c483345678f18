"""Where the part lies in a photograph: a similarity from a reference onto it, by keypoints or edges, or a refusal.

Keypoints are RootSIFT at a small size, matched exactly by Lowe's ratio, the similarity is RANSAC's of OpenCV; parts
without texture are found by correlating their edges. Knows no bank, backbone or file.
"""

from core.registration.keypoints import Keypoints
from core.registration.location import POSE, Location, locate
from core.registration.reference import Reference, choose_reference

__all__ = ["POSE", "Keypoints", "Location", "Reference", "choose_reference", "locate"]
