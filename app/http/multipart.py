"""multipart/form-data (RFC 7578) parsed as it arrives: files go to a sink each, fields to memory within limits.

A part is a file by its ``filename`` or ``filename*``, by an image's Content-Type, or by its name: generated clients
leave file names away. Any other part is a field, and a field that the operation does not take is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar
from urllib.parse import unquote

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from app.errors import FieldInvalid, MultipartInvalid, TooManyFiles
from app.learning.incoming import Incoming
from app.learning.upload_files import Upload
from app.learning.uploads import Feed, Single

MOST_FIELDS = 32
MOST_FIELD_BYTES = 64 << 10
FILE_NAMES = frozenset({"image", "images", "file", "files"})  # of parts that are files whatever else they say
EXTENDED_NAME = re.compile(rb";\s*filename\*\s*=\s*\"?([^;\"]*)", re.I)  # RFC 8187: UTF-8'en'a%20b.png


class Sink(Protocol):
    """Where a file's bytes go."""

    def write(self, chunk: bytes) -> None: ...


S = TypeVar("S", bound=Sink)


@dataclass(eq=False)
class Part(Generic[S]):
    """A field with its text in ``value``, or a file with its sink, and its ``filename`` where the client gave one."""

    name: str
    filename: str | None = None
    sink: S | None = None
    content: bytearray = field(default_factory=bytearray)

    @property
    def value(self) -> str:
        """A field's text. Raises MultipartInvalid for other bytes than UTF-8."""
        try:
            return self.content.decode("utf-8")
        except UnicodeDecodeError:
            raise invalid(f"a field {self.name[:80]!a} that is not UTF-8") from None


@dataclass(frozen=True)
class Shape:
    """What a form may hold. fields: the names of those that are taken. more: what to do with more files or fields.

    once: whether a field may be given only once.
    """

    most_files: int
    fields: frozenset[str]
    more: str
    once: bool = True
    most_fields: int = MOST_FIELDS

    def check_file(self, count: int) -> None:
        """Raises TooManyFiles unless a form may hold ``count`` files."""
        if count > self.most_files:
            raise self._too_many("one file" if self.most_files == 1 else f"{self.most_files} files")

    def check_field(self, name: str, count: int, again: bool) -> None:
        """Raises FieldInvalid for a name that is not taken, or given ``again``; TooManyFiles for too many."""
        if name not in self.fields:
            raise FieldInvalid(
                requirement=f"a form may hold images, and the fields {', '.join(sorted(self.fields))}",
                received=f"the field {name[:80]!a}",
                remedy="Check its spelling; name an image 'image', or give it a filename.",
            )
        if again and self.once:
            raise FieldInvalid(f"a form may hold {name} only once", "it again", "Send one value.")
        if count > self.most_fields:
            raise self._too_many(f"{self.most_fields} fields")

    def _too_many(self, most: str) -> TooManyFiles:
        return TooManyFiles(requirement=f"this request may hold {most}", received="more", remedy=self.more)


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
        shape: Shape,
    ) -> None:
        boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
        if not boundary:
            raise invalid("a Content-Type without a boundary")
        self._open_file, self._complete = open_file, complete
        self._shape = shape
        self._files = self._fields = 0
        self._given: set[str] = set()
        self._whole = False
        self._headers: dict[bytes, bytes] = {}
        self._name = self._text = b""
        self._part: Part[S] | None = None
        try:
            self._parser = MultipartParser(boundary, self._callbacks())  # type: ignore[arg-type]  # a TypedDict
        except FormParserError as error:
            raise invalid(str(error)) from None

    def feed(self, chunk: bytes) -> None:
        """Raises MultipartInvalid, TooManyFiles, FieldInvalid, and what a sink or ``complete`` raises."""
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
        disposition = self._headers.get(b"content-disposition", b"")
        options = parse_options_header(disposition)[1]
        if b"name" not in options:
            raise invalid("a part whose Content-Disposition has no name")
        self._part = Part(_text(options[b"name"]), _file_name(disposition, options))
        if self._part.filename is not None or self._shows_an_image(self._part.name):
            self._files += 1
            self._shape.check_file(self._files)
            self._part.sink = self._open_file(self._part.filename or "")
        else:
            self._fields += 1
            self._shape.check_field(self._part.name, self._fields, self._part.name in self._given)
            self._given.add(self._part.name)

    def _shows_an_image(self, name: str) -> bool:
        """Whether a part without a file name is a file."""
        media_type = self._headers.get(b"content-type", b"").strip().lower()
        return media_type.startswith(b"image/") or name.removesuffix("[]").lower() in FILE_NAMES

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


def invalid(received: str) -> MultipartInvalid:
    """The error for a body that is not multipart/form-data."""
    return MultipartInvalid(
        requirement="a multipart body must follow RFC 7578",
        received=received,
        remedy="Let an HTTP client make body and Content-Type, as 'curl -F file=@part.png' does.",
    )


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def _file_name(disposition: bytes, options: dict[bytes, bytes]) -> str | None:
    """``filename``, else ``filename*``, which some clients send by itself; None for neither."""
    if (plain := options.get(b"filename")) is not None:
        return _text(plain)
    if (extended := EXTENDED_NAME.search(disposition)) is None:
        return None
    return unquote(_text(extended[1].rpartition(b"'")[2]))


def is_form(content_type: str) -> bool:
    """Whether a body of this Content-Type is multipart/form-data."""
    return content_type.partition(";")[0].strip().lower() == "multipart/form-data"


def feed_of(content_type: str, name: str | None) -> Callable[[Upload], Feed]:
    """How an upload's body is read: a form of many files, or one file that is the body itself, named ``name``."""
    if is_form(content_type):
        return lambda upload: Form(upload, content_type)
    return lambda upload: Single(upload, name)


class Form:
    """A multipart body: every file is an image, an archive or the ``manifest``, and ``serial`` may be repeated."""

    def __init__(self, upload: Upload, content_type: str) -> None:
        self._upload = upload
        most = upload.most_files
        more = "Send them in several requests; what came before is kept."
        shape = Shape(
            most, frozenset({"serial", "manifest"}), more, once=False, most_fields=most + MOST_FIELDS
        )
        self._reader = MultipartReader(content_type, upload.open, self._take, shape)

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
