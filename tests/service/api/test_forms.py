"""Forms from well-behaved and from hostile senders, as far as no service is needed."""

from typing import Any

import pytest
from fastapi import Request
from hypothesis import example, given, settings
from hypothesis import strategies as st

from service.api.deps import media_type
from service.api.forms import FORM, boundary_of, canonical, parts_of
from service.api.uploads import request_of
from service.errors import BodyTooLarge, InvalidForm, KshotError
from service.schemas import CreatePredictions, CreateTask, ExtendSupport
from service.settings import Settings
from tests.clock import plain_ms

BOUNDARY = b"b7d1"
MIB = 2**20
SETTINGS = Settings(max_examples=5, max_inputs=5)
MODELS: list[tuple[type[Any], str]] = [
    (CreateTask, "support"),
    (ExtendSupport, "support"),
    (CreatePredictions, "inputs"),
]


def part(name: bytes, content: bytes, filename: bytes | None = None, more: bytes = b"") -> bytes:
    named = b"" if filename is None else b'; filename="' + filename + b'"'
    header = b'Content-Disposition: form-data; name="' + name + b'"' + named
    return b"--" + BOUNDARY + b"\r\n" + header + b"\r\n" + more + b"\r\n" + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--" + BOUNDARY + b"--\r\n"


@given(st.lists(st.tuples(st.text("ab é/;'", max_size=9), st.none() | st.text("x./ ", max_size=9), st.binary())))
def test_what_went_in_comes_out(sent: list[tuple[str, str | None, bytes]]) -> None:
    sent = [each for each in sent if BOUNDARY not in each[2]]
    rows = [(name, None if filename is None else filename.encode(), data) for name, filename, data in sent]
    body = form(*(part(name.encode(), content, filename) for name, filename, content in rows))
    found = parts_of(body, BOUNDARY, len(sent))
    assert [(each.name, each.filename, each.content) for each in found] == sent


PIECES = [
    b"--" + BOUNDARY,
    b"--" + BOUNDARY + b"--",
    b"\r\n",
    b"\r\n\r\n",
    b"--",
    b"Content-Disposition: form-data; name=",
    b'"model"',
    b'"metadata"',
    b'"top"',
    b'"cats"',
    b'; filename="a/b.png"',
    b"; filename*=utf-8''x",
    b"; name=",
    b'"',
    b"\\",
    b";" * 50,
    b"Content-Type: multipart/mixed; boundary=" + BOUNDARY,
    b"Content-Type: text/plain; charset=utf-7",
    b"{" * 500,
    b"[1e999, NaN]",
    b"\xff\x00",
    b"x",
]


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(PIECES) | st.binary(max_size=5), max_size=25).map(b"".join), st.sampled_from(MODELS))
@example(b"", MODELS[0])
def test_nonsense_is_refused_in_our_own_words(body: bytes, made: tuple[type[Any], str]) -> None:
    for each in (body, form(part(b"model", b"glyphs") + body), form(part(b"a", body, b"1.png"))):
        try:
            request_of(*made, each, BOUNDARY, SETTINGS)
        except KshotError as error:
            assert 400 <= error.status < 500 and str(error)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from([FORM, ";", " ", "boundary=", "charset=", "*", "0", "'", '"', "utf-8", "é", "=", "x"])))
@example([FORM, "; boundary*=bad'en'x; charset*0=", "bad'en'x"])
@example([FORM, "; charset=", "\udcff".encode("utf-8", "surrogateescape").decode("latin-1")])
def test_any_content_type_is_one_or_is_none(pieces: list[str]) -> None:
    header = "".join(pieces).encode("latin-1")
    if media_type(Request({"type": "http", "headers": [(b"content-type", header)]})) == FORM:
        try:
            assert boundary_of(header.decode("latin-1"))
        except InvalidForm as error:
            assert "boundary" in str(error)


def test_so_many_parts_and_no_more() -> None:
    row = part(b"a", b"x", b"1.png")
    assert len(parts_of(form(row * 9), BOUNDARY, 9)) == 9
    with pytest.raises(BodyTooLarge):
        parts_of(form(row * 10), BOUNDARY, 9)


@pytest.mark.parametrize(
    "body",
    [
        form(part(b"a", b"\r\n--" * (2 * MIB), b"b")),
        form(part(b"a", (b"\r\n--" + BOUNDARY[:-1]) * MIB, b"b")),
        part(b"a", b"", b"b") + (b"\r\n--" + BOUNDARY + b"x") * MIB,
        part(b"a", b"", b"b") + b"\r\n--" + BOUNDARY + b" " * (4 * MIB),
        b"\r\n-" * (3 * MIB),
        b"\r" * (4 * MIB),
        form(*[part(b"a" + b"\\;" * 1000, b"", b"b" * 10, b"X: " + b'";' * 2000 + b"\r\n")] * 300),
        form(part(b"", b"") * 100_000),
        b"--" + BOUNDARY + b"\r\n" + b"X" * (4 * MIB),
        b"--" + BOUNDARY + b"\r\n" + b"X: y\r\n" * MIB,
    ],
)
def test_reading_is_quick_whatever_comes(body: bytes) -> None:
    def read() -> None:
        try:
            parts_of(body, BOUNDARY, 5_000)
        except KshotError as error:
            assert 400 <= error.status < 500

    assert plain_ms(read) < 2_000


def test_a_form_is_the_same_under_another_boundary() -> None:
    body = form(part(b"a", b"x", b"1.png"), part(b"model", b"glyphs"))
    other = body.replace(BOUNDARY, b"other-1")
    assert canonical(body, BOUNDARY, 2) == canonical(other, b"other-1", 2)
    for changed in (body[:-1], body.replace(b"glyphs", b"--\r\n"), body.replace(b"x", b"y")):
        assert canonical(body, BOUNDARY, 2) != canonical(changed, BOUNDARY, 2)


def test_a_form_is_not_cut_into_more_pieces_than_it_may_have_parts() -> None:
    body = form(part(b"a", b"x", b"1.png"), part(b"model", b"glyphs"))
    for whole, boundary, num_parts in ((body, BOUNDARY, 1), (b"--a" * MIB, b"a", 5_000), (b"-" * MIB, b"-", 5_000)):
        with pytest.raises(BodyTooLarge, match=f"more than {num_parts} parts"):
            canonical(whole, boundary, num_parts)
