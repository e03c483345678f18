"""Where the part lies in a photograph: a similarity that brings a reference onto it, found by keypoints, or a refusal.

Keypoints are RootSIFT at a small size, matched exactly by Lowe's ratio, the similarity is RANSAC's of OpenCV. Knows no
bank, backbone or file.
"""

from core.registration.keypoints import Keypoints
from core.registration.location import Location, locate
from core.registration.reference import Reference, choose_reference

__all__ = ["Keypoints", "Location", "Reference", "choose_reference", "locate"]
