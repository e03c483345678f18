"""Every error the service and command line add to those of core and models: each says requirement, received and remedy."""

from __future__ import annotations


class AppError(Exception):
    """Root of the tree. ``str(error)`` reads as one sentence each: requirement, received, remedy."""

    def __init__(self, *, requirement: str, received: str, remedy: str) -> None:
        first, last = requirement[:1].upper() + requirement[1:], remedy[:1].upper() + remedy[1:].rstrip(".")
        super().__init__(f"{first}; received {received}. {last}.")
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


class ImageManyFrames(ImageFormatUnsupported):
    """An animation or a file of several pages: which one to inspect is nowhere said."""


class ImagePixelsUnsupported(ImageFormatUnsupported):
    """A format that is read, with pixels that are not: floats, signed or 32-bit integers, CIELAB, rare codecs."""


class ImageUnreadable(ImageRefused):
    """A file that the system does not let be read."""


class ImageCorrupt(ImageRefused):
    """An image that is truncated or cannot be decoded."""


class FolderError(AppError):
    """A folder or dataset holds no image, too few, or is not in the documented form."""
