"""Errors of the service's own: what a request, a key or the server's state can be refused for."""

from __future__ import annotations

from app.errors import AppError, Overloaded

# The server's state


class StartRefused(AppError):
    """The settings may not be served: an address other than loopback without keys, or none to be had."""


class WarmingUp(Overloaded):
    """The server has not yet proven that it can inspect."""


# Who calls


class RoleTooLow(AppError):
    """The key is valid and its role may not do this."""


class ForeignOrigin(AppError):
    """Without keys, only programs and pages of this very machine may call."""


# What a request says


class MediaTypeUnsupported(AppError):
    """The body's Content-Type is none that this operation reads."""


class NotAcceptable(AppError):
    """No form of the answer is among those the Accept header names."""


class MultipartInvalid(AppError):
    """A multipart body without boundary, truncated, or not in the form of RFC 7578."""


class TooManyFiles(AppError):
    """More files in one request than the limit allows; those before it are kept."""


class FieldInvalid(AppError):
    """A header, query parameter or form field has a value that cannot be read."""


class UploadRefused(AppError):
    """Not one file of an upload was kept; ``files`` says why for each."""


# What a bank can do now


class BankWithoutVersion(AppError):
    """The bank has no active version, so there is nothing to inspect with."""


class VersionUnproven(AppError):
    """An imported bank file does not load, or does not score its conformance images as recorded."""


class PictureUnavailable(AppError):
    """A heatmap can be drawn again only from a kept image with the version that inspected it."""
