"""Every error that service and command line add to those of core and models: requirement, received, remedy."""

from __future__ import annotations

from typing import Self

from core.errors import Refusal


class AppError(Refusal):
    """Root of the tree."""


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
    """The file cannot be read."""


class ImageCorrupt(ImageRefused):
    """An image that is truncated or cannot be decoded."""


class LabelMissing(AppError):
    """An image to check by is not said to be good or to show a kind of defect."""


class FolderError(AppError):
    """A folder or dataset holds no image, too few, or is not in the documented form."""


# Archives of images


class ArchiveRefused(AppError):
    """Root of everything a whole archive can be refused for; members read before it are good."""


class ArchiveUnsupported(ArchiveRefused):
    """Not a zip, nor a tar plain or compressed by gzip, bzip2 or xz."""


class ArchiveCorrupt(ArchiveRefused):
    """An archive that is truncated, edited or no archive inside its compression."""


class ArchiveTooManyFiles(ArchiveRefused):
    """More members than the limit allows."""


class ArchiveTooLarge(ArchiveRefused):
    """More unpacked bytes than the limit allows."""


class ArchiveBomb(ArchiveRefused):
    """More unpacked bytes for its packed ones than any set of images has."""


class ArchiveEntryRefused(AppError):
    """One member of an archive is refused, the others are read; ``reason`` is a stable word for programs."""

    def __init__(self, reason: str, *, requirement: str, received: str, remedy: str) -> None:
        super().__init__(requirement=requirement, received=received, remedy=remedy)
        self.reason = reason


# Load and shutdown


class Overloaded(AppError):
    """Root of the refusals that pass by themselves: ``retry_after`` says in how many seconds to try again."""

    def __init__(self, *, requirement: str, received: str, remedy: str, retry_after: float) -> None:
        super().__init__(requirement=requirement, received=received, remedy=remedy)
        self.retry_after = retry_after

    @classmethod
    def within(cls, seconds: float, requirement: str, received: str) -> Self:
        """One that is over in about ``seconds``, at least one."""
        remedy = "Try again after the seconds that Retry-After says."
        return cls(requirement=requirement, received=received, remedy=remedy, retry_after=max(1.0, seconds))


class QueueFull(Overloaded):
    """As many inspections wait as may."""


class MemoryFull(Overloaded):
    """What is in flight takes as much memory as it may."""


class QuotaExceeded(Overloaded):
    """A key asked for more than its quota: requests or bytes within a minute, or requests at once."""


class DeadlineExceeded(Overloaded):
    """The answer cannot come, or did not come, by the deadline the caller set."""


class Draining(Overloaded):
    """The server shuts down and begins nothing new."""


# Connections and heads of requests


class RequestUnreadable(AppError):
    """What came is not HTTP/1.1."""


class HeadTooLarge(AppError):
    """The request's line, headers or trailers are longer, or more, than the limits allow."""


class HeadTooSlow(AppError):
    """The request's line and headers did not come within the time they have."""


class ConnectionsFull(Overloaded):
    """As many connections are open as may, and none of them is idle; probes are still answered."""


# Request bodies


class BodyTooLarge(AppError):
    """More bytes in the request's body than the limit allows; what was read is dropped."""


class BodyTooSlow(AppError):
    """The request's body came slower than the limit allows, or stopped coming."""


class BadContentLength(AppError):
    """The Content-Length header is not a whole number of bytes."""


class TelemetryUnavailable(AppError):
    """Traces were asked for and the packages that send them are not installed."""


# The server's state


class StartRefused(AppError):
    """The settings may not be served: an address other than loopback without keys, or none to be had."""


class WarmingUp(Overloaded):
    """The server has not yet proven that it can inspect."""


# Who calls


class RoleTooLow(AppError):
    """The key is valid, but its role may not do this."""


class OutOfScope(AppError):
    """The key is valid and limited to banks or stations that this is not about."""


class ForeignOrigin(AppError):
    """Without keys, only programs and pages of this very machine may call, and not through a proxy."""


# What a request says


class MediaTypeUnsupported(AppError):
    """The body's Content-Type is none that this operation reads, or it has a Content-Encoding."""


class NotAcceptable(AppError):
    """No form of the answer is among those the Accept header names."""


class MultipartInvalid(AppError):
    """A multipart body without boundary, truncated, or not in the form of RFC 7578."""


class TooManyFiles(AppError):
    """More files in one request than the limit allows; an upload keeps those before it."""


class FieldInvalid(AppError):
    """A header, query parameter or form field has a value that cannot be read."""


class UploadRefused(AppError):
    """Not one file of an upload was kept; ``files`` says why for each."""


# What a bank can do now


class BankWithoutVersion(AppError):
    """The bank has no active version, so there is nothing to inspect with."""


class VersionNotActive(AppError):
    """An inspection by a version other than the active one, which alone inspects."""


class VersionUnproven(AppError):
    """An imported bank file does not load, or does not score its conformance images as recorded."""


class NotDescribed(AppError):
    """The inspection has no descriptor by which similar ones could be found."""


class PictureUnavailable(AppError):
    """A heatmap can be drawn again only from a kept image with the version that inspected it."""


# Cameras


class CameraFault(AppError):
    """A camera gives no picture that can be inspected: gone, frozen, or grey, or only half a picture."""


class PictureRepeated(CameraFault):
    """The same picture as before, not yet often enough to be a fault of the camera."""


class CameraKindUnavailable(AppError):
    """The package, or the producer of a vendor, that this kind of camera needs is not installed."""


# Events and their sinks


class SinkFailed(AppError):
    """A sink did not take an event; it is sent again."""


class SinkUnreachable(SinkFailed):
    """No connection, no answer in time, or the answer of one that has trouble; ``counts`` as a try of the event."""

    counts = False


class SinkCannotListen(SinkUnreachable):
    """The address or port that a sink's server should listen on is taken, not this machine's, or not allowed."""


class EventHeld(SinkFailed):
    """The other side has not acknowledged the bank's event before this one; it waits, and this counts as no try."""


class EventRefused(SinkFailed):
    """The sink answered, and did not take this event: a redirect, an error, an answer without end."""


class SinkKindUnavailable(AppError):
    """The package that this kind of sink needs is not installed."""


# Builds on a cluster


class ClusterRefused(AppError):
    """A cluster without token authentication, of another version, or without Ray installed here."""


class ClusterGone(AppError):
    """The cluster cannot be reached, or its processes end again and again."""


class HostLost(ClusterGone):
    """One process of a cluster has ended; another takes its place."""
