"""Every error the service and command line add to those of core and models: each says requirement, received and remedy."""

from __future__ import annotations


class AppError(Exception):
    """Root of the tree. ``str(error)`` reads as one sentence each: requirement, received, remedy."""

    def __init__(self, *, requirement: str, received: str, remedy: str) -> None:
        super().__init__(f"{requirement}; received {received}. {remedy}")
        self.requirement = requirement
        self.received = received
        self.remedy = remedy


class ImageRefused(AppError):
    """Root of everything image bytes can be refused for."""


class ImageEmpty(ImageRefused):
    """Zero bytes."""


class ImageTooLarge(ImageRefused):
    """More bytes or more pixels than the limits allow; found before decoding."""


class ImageTooSmall(ImageRefused):
    """Fewer pixels on a side than a backbone can see."""


class ImageFormatUnsupported(ImageRefused):
    """Not an image, or an image in a format that is not read."""


class ImageCorrupt(ImageRefused):
    """An image that is truncated or cannot be decoded."""


class FolderError(AppError):
    """A folder or dataset holds no image, too few, or is not in the documented form."""
