"""multipart/form-data (RFC 7578) parsed as it arrives: files go to a sink each, fields to memory within limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from app.errors import MultipartInvalid, TooManyFiles
from app.learning.upload_files import Incoming, Upload
from app.learning.uploads import Feed, Single

MOST_FIELDS = 32
MOST_FIELD_BYTES = 64 << 10


class Sink(Protocol):
    """Where a file's bytes go."""

    def write(self, chunk: bytes) -> None: ...


S = TypeVar("S", bound=Sink)


@dataclass(eq=False)
class Part(Generic[S]):
    """A field with its text in ``value``, or a file with a ``filename`` (as the client wrote it) and its sink."""

    name: str
    filename: str | None = None
    sink: S | None = None
    content: bytearray = field(default_factory=bytearray)

    @property
    def value(self) -> str:
        """A field's text."""
        return self.content.decode("utf-8", "replace")


class MultipartReader(Generic[S]):
    """``feed`` it the body piece by piece, then ``close`` it.

    ``open_file`` makes the sink of each file, and ``complete`` takes each part as soon as it has ended: however many
    files one piece holds, one sink is open.
    """

    def __init__(
        self,
        content_type: str,
        open_file: Callable[[str], S],
        complete: Callable[[Part[S]], None],
        most_files: int,
        most_fields: int = MOST_FIELDS,
    ) -> None:
        boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
        if not boundary:
            raise invalid("a Content-Type without a boundary")
        self._open_file, self._complete = open_file, complete
        self._most_files, self._most_fields = most_files, most_fields
        self._files = self._fields = 0
        self._whole = False
        self._headers: dict[bytes, bytes] = {}
        self._name = self._text = b""
        self._part: Part[S] | None = None
        try:
            self._parser = MultipartParser(boundary, self._callbacks())  # type: ignore[arg-type]  # a TypedDict
        except FormParserError as error:
            raise invalid(str(error)) from None

    def feed(self, chunk: bytes) -> None:
        """Raises ``MultipartInvalid``, ``TooManyFiles``, and what a sink or ``complete`` raises."""
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise invalid(str(error)) from None

    def close(self) -> None:
        """Raises ``MultipartInvalid`` unless the body came to its end."""
        if not self._whole:
            raise invalid("one that ends before its last boundary")

    def _callbacks(self) -> dict[str, Callable[..., Any]]:
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._header_name,
            "on_header_value": self._header_text,
            "on_header_end": self._header_end,
            "on_headers_finished": self._open,
            "on_part_data": self._data,
            "on_part_end": self._end,
            "on_end": self._finish,
        }

    def _begin(self) -> None:
        self._headers, self._part = {}, None

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_text(self, data: bytes, start: int, end: int) -> None:
        self._text += data[start:end]

    def _header_end(self) -> None:
        self._headers[self._name.lower()] = self._text
        self._name = self._text = b""

    def _open(self) -> None:
        options = parse_options_header(self._headers.get(b"content-disposition"))[1]
        if b"name" not in options:
            raise invalid("a part whose Content-Disposition has no name")
        self._part = Part(_text(options[b"name"]))
        if b"filename" in options:
            self._files += 1
            self._refuse_more(self._files, self._most_files, "files")
            self._part.filename = _text(options[b"filename"])
            self._part.sink = self._open_file(self._part.filename)
        else:
            self._fields += 1
            self._refuse_more(self._fields, self._most_fields, "fields")

    def _data(self, data: bytes, start: int, end: int) -> None:
        assert self._part is not None
        if self._part.sink is not None:
            self._part.sink.write(data[start:end])
            return
        self._part.content += data[start:end]
        if len(self._part.content) > MOST_FIELD_BYTES:
            raise invalid(f"a field of more than {MOST_FIELD_BYTES} bytes")

    def _end(self) -> None:
        assert self._part is not None
        self._complete(self._part)

    def _finish(self) -> None:
        self._whole = True

    @staticmethod
    def _refuse_more(count: int, most: int, what: str) -> None:
        if count > most:
            raise TooManyFiles(
                requirement=f"a request may hold {most} {what}",
                received="more",
                remedy="Send them in several requests; what came before is kept.",
            )


def invalid(received: str) -> MultipartInvalid:
    """The error for a body that is not multipart/form-data."""
    return MultipartInvalid(
        requirement="a multipart body must follow RFC 7578",
        received=received,
        remedy="Let an HTTP client make body and Content-Type, as 'curl -F file=@part.png' does.",
    )


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def feed_of(content_type: str, name: str | None) -> Callable[[Upload], Feed]:
    """How an upload's body is read: a form of many files, or one file that is the body itself, named ``name``."""
    if content_type.partition(";")[0].strip().lower() == "multipart/form-data":
        return lambda upload: Form(upload, content_type)
    return lambda upload: Single(upload, name)


class Form:
    """A multipart body: every part with a filename is a file or the ``manifest``, and ``serial`` may be repeated.

    Other fields are passed over.
    """

    def __init__(self, upload: Upload, content_type: str) -> None:
        self._upload = upload
        most = upload.most_files
        self._reader = MultipartReader(content_type, upload.open, self._take, most, most + MOST_FIELDS)

    def write(self, data: bytes) -> None:
        self._reader.feed(data)

    def end(self, data: bytes) -> None:
        self.write(data)
        self._reader.close()
        self._upload.finish()

    def _take(self, part: Part[Incoming]) -> None:
        if part.name == "manifest":
            self._take_manifest(part)
        elif part.sink is not None:
            self._upload.take(part.filename, part.sink)
        elif part.name == "serial":
            self._upload.serials.say(part.value)

    def _take_manifest(self, part: Part[Incoming]) -> None:
        if part.sink is None:
            self._upload.serials.manifest(bytes(part.content), "the manifest")
        else:
            self._upload.take_manifest(part.filename, part.sink)
