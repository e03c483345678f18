"""The images of an inspection's body: raw, or in a form; read into memory within the gate's bounds."""

from __future__ import annotations

from dataclasses import dataclass, field

from fastapi import Request

from app.errors import FieldInvalid, ImageTooLarge, MediaTypeUnsupported
from app.http.multipart import MultipartReader, Part
from app.imaging.decode import ImageLimits
from app.imaging.header import shown_name
from app.inspection.waiting import Pass

RAW = ("image/", "application/octet-stream")


@dataclass
class Held:
    """A file in memory, counted by the gate."""

    share: Pass
    limits: ImageLimits
    data: bytearray = field(default_factory=bytearray)
    error: ImageTooLarge | None = None

    def write(self, chunk: bytes) -> None:
        """Raises QueueFull; of an image that is too large the rest is dropped."""
        if self.error is not None:
            return
        try:
            self.limits.check_bytes(len(self.data) + len(chunk) or 1)
        except ImageTooLarge as error:
            self.error = error
            self.data.clear()
            return
        self.share.grow(len(chunk))
        self.data += chunk


@dataclass(frozen=True)
class Sent:
    """What a form held: images by the names shown, and the fields by their names."""

    images: list[tuple[str | None, Held]]
    fields: dict[str, str]


async def read_one(
    request: Request, share: Pass, limits: ImageLimits
) -> tuple[str | None, bytes, dict[str, str]]:
    """(name, bytes, fields) of the one image. Raises MediaTypeUnsupported, MultipartInvalid, ImageTooLarge."""
    if is_form(request):
        sent = await read_form(request, share, limits, 1)
        if not sent.images:
            raise _no_file()
        name, held = sent.images[0]
    else:
        name, held, sent = None, await _read_raw(request, share, limits), Sent([], {})
    if held.error is not None:
        raise held.error
    return name, bytes(held.data), sent.fields


async def read_form(request: Request, share: Pass, limits: ImageLimits, most_files: int) -> Sent:
    """Every file of a form in memory. Raises MediaTypeUnsupported, MultipartInvalid, TooManyFiles, QueueFull."""
    if not is_form(request):
        raise _unsupported(request, "multipart/form-data")
    sent = Sent([], {})
    reader: MultipartReader[Held] = MultipartReader(
        request.headers["content-type"],
        lambda name: Held(share, limits),
        lambda part: _sort(part, sent),
        most_files,
    )
    async for chunk in request.stream():
        reader.feed(chunk)
    reader.close()
    return sent


def is_form(request: Request) -> bool:
    """Whether the body is multipart/form-data."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == "multipart/form-data"


async def _read_raw(request: Request, share: Pass, limits: ImageLimits) -> Held:
    media_type = request.headers.get("content-type", "").strip().lower()
    if media_type and not media_type.startswith(RAW):
        raise _unsupported(request, "an image type, application/octet-stream or multipart/form-data")
    held = Held(share, limits)
    async for chunk in request.stream():
        held.write(chunk)
    return held


def _sort(part: Part[Held], sent: Sent) -> None:
    if part.sink is not None:
        sent.images.append((shown_name(part.filename, f"image-{len(sent.images) + 1}"), part.sink))
    else:
        sent.fields[part.name] = part.value


def _no_file() -> FieldInvalid:
    return FieldInvalid(
        requirement="a form must hold the image as a file",
        received="only fields",
        remedy="Send it as 'curl -F image=@part.png' does.",
    )


def _unsupported(request: Request, known: str) -> MediaTypeUnsupported:
    return MediaTypeUnsupported(
        requirement=f"the Content-Type must be {known}",
        received=ascii(request.headers.get("content-type", "none")[:80]),
        remedy="Name the image's type: curl -H 'Content-Type: image/png' --data-binary @part.png.",
    )
