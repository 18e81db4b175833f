"""A multipart/form-data body as its parts. The body is in memory already; how many parts and headers it has is bounded.

What a boundary may be followed by is checked before, so that no byte is looked at in Python but those of headers.
"""

import re
from dataclasses import dataclass

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from service.errors import BodyTooLarge, InvalidForm
from service.settings import Settings

FORM = "multipart/form-data"
MAX_FIELDS = 100  # parts beside the files
UTF_8 = {b"", b"utf-8", b"utf8", b"us-ascii"}


@dataclass(frozen=True, slots=True)
class Part:
    """One part: its field's name, its file's name if it is a file, and its content."""

    name: str
    filename: str | None
    content: bytes


def boundary_of(content_type: str) -> bytes:
    """What stands between the parts. Raises InvalidForm."""
    boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
    if not boundary:
        raise InvalidForm("The Content-Type names no boundary; leave that header to the program that makes the form.")
    return boundary


def max_parts(settings: Settings) -> int:
    """How many parts a form may have."""
    return max(settings.max_examples, settings.max_inputs) + MAX_FIELDS


def canonical(body: bytes, boundary: bytes, max_parts: int) -> bytes:
    """The form whatever its boundary, which is a new one each time that the same form is sent.

    Raises BodyTooLarge for too many parts: the sender chooses the boundary, and could have millions of pieces made.
    """
    mark = b"--" + boundary
    if body.count(mark) > max_parts + 1:  # the last ends the form
        raise BodyTooLarge(f"The form has more than {max_parts} parts.")
    pieces = body.split(mark)
    return b"".join(mark for piece in pieces for mark in (b"%d:" % len(piece), piece))


def parts_of(body: bytes, boundary: bytes, max_parts: int) -> list[Part]:
    """The parts, in order. Raises InvalidForm, or BodyTooLarge for too many of them."""
    if re.search(re.escape(b"\r\n--" + boundary) + rb"(?!\r\n|--)", body):
        raise InvalidForm("The boundary stands where none may be: followed by more text.")
    reader = _Reader(max_parts)
    try:
        MultipartParser(
            boundary,
            {
                "on_part_begin": reader.begin,
                "on_header_field": reader.header_name,
                "on_header_value": reader.header_value,
                "on_header_end": reader.header_end,
                "on_part_data": reader.data,
                "on_part_end": reader.end,
                "on_end": reader.end_all,
            },
        ).write(body)
    except FormParserError as error:
        raise InvalidForm(f"The body is not the form that its Content-Type tells of: {error}.") from None
    if not reader.is_whole:
        raise InvalidForm("The body ends before its last boundary.")
    return reader.parts


class _Reader:
    """What the parser has found so far."""

    def __init__(self, max_parts: int) -> None:
        self.parts: list[Part] = []
        self.is_whole = False
        self._max_parts = max_parts

    def begin(self) -> None:
        if len(self.parts) >= self._max_parts:
            raise BodyTooLarge(f"The form has more than {self._max_parts} parts.")
        self._headers: dict[bytes, bytes] = {}
        self._name, self._value = b"", b""
        self._content: list[bytes] = []

    def header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def header_end(self) -> None:
        self._headers[self._name.lower()] = self._value
        self._name, self._value = b"", b""

    def data(self, data: bytes, start: int, end: int) -> None:
        self._content.append(data[start:end])

    def end(self) -> None:
        self.parts.append(_part(self._headers, b"".join(self._content), f"Part {len(self.parts) + 1} of the form"))

    def end_all(self) -> None:
        self.is_whole = True


def _part(headers: dict[bytes, bytes], content: bytes, which: str) -> Part:
    kind, options = parse_options_header(headers.get(b"content-disposition"))
    if kind != b"form-data" or b"name" not in options:
        raise InvalidForm(f"{which} has no header such as Content-Disposition: form-data; name=...")
    charset = parse_options_header(headers.get(b"content-type"))[1].get(b"charset", b"")
    if charset.lower() not in UTF_8:
        raise InvalidForm(f"{which} is not in UTF-8, by its own Content-Type.")
    filename = options.get(b"filename")
    try:
        return Part(options[b"name"].decode(), None if filename is None else filename.decode(), content)
    except UnicodeDecodeError:
        raise InvalidForm(f"{which} has a name that is not in UTF-8.") from None
