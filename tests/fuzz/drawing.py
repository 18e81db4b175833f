"""Cases: what is right, changed here and there, in its bytes or in its parts."""

import json
import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

from hypothesis import strategies as st

HOLE = "\u2400"  # where a part of a body was; it is none of the words of any
DEEP = 300
NUMBERS = (
    "1e400",
    "-0.0",
    "1E+30",
    "9" * 5_000,
    "1.",
    ".5",
    "01",
    "-",
    "NaN",
    "Infinity",
    "1e-400",
    "3.0",
    "2147483648",
)
TEXTS = (
    r'"\ud800"', r'"\udc00\ud800"', r'"\u0000"', r'"\ufeff"', r'"e\u0301"', r'"\u00e9"', r'"\u202ea\u2066"',
    '"' + "\U0001f600" * 200 + '"', '"' + "x" * 201 + '"', '" "', '"."', '"a\u200bb"', r'"\u0001"', '"[SEP]"', '"İ"',
)  # fmt: skip
OTHERS = (
    "true", "null", "[]", "{}", '""', '{"a": 1, "a": 2}', "[" * DEEP + "]" * DEEP, '{"a":' * DEEP + "1" + "}" * DEEP,
    '{"image": "AA=="}', "[1, 2, 3]", '["a", null, 1]',
)  # fmt: skip
EDITS = ("cut", "double", "flip", "insert", "zero")


@st.composite
def mutated(draw: st.DrawFn, seeds: Sequence[bytes]) -> bytes:
    """One of the seeds with a few pieces of it cut out, doubled, turned over, written over or put in."""
    data = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 5))):
        first = draw(st.integers(0, max(0, len(data) - 1)))
        last = first + draw(st.integers(1, 16) | st.integers(1, max(1, len(data))))
        match draw(st.sampled_from(EDITS)):
            case "cut":
                del data[first:last]
            case "double":
                data[first:first] = data[first:last]
            case "flip":
                data[first : first + 1] = bytes(each ^ 1 << draw(st.integers(0, 7)) for each in data[first : first + 1])
            case "insert":
                data[first:first] = draw(st.binary(min_size=1, max_size=8))
            case "zero":
                data[first:last] = bytes(len(data[first:last]))
    return bytes(data)


@st.composite
def rewritten(draw: st.DrawFn, bodies: Sequence[Any], parts: Sequence[str] = (*NUMBERS, *TEXTS, *OTHERS)) -> bytes:
    """One of the bodies as JSON, with other JSON, or what is nearly JSON, in the place of some parts or their names."""
    body = draw(st.sampled_from(bodies))
    for _ in range(draw(st.integers(1, 3))):
        body = _with_hole(body, draw(st.sampled_from(list(_places(body)))), is_name=draw(st.integers(0, 9)) == 0)
    text = json.dumps(body, ensure_ascii=False)
    while f'"{HOLE}"' in text:
        part = draw(st.sampled_from(parts) | st.text(max_size=20).map(json.dumps) | st.floats().map(json.dumps))
        text = text.replace(f'"{HOLE}"', part, 1)
    return text.encode("utf-8", "surrogatepass")


def _places(body: Any, here: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield here
    for key, part in body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ():
        yield from _places(part, (*here, key))


def _with_hole(body: Any, place: tuple[Any, ...], *, is_name: bool) -> Any:
    if not place:
        return HOLE
    key, *rest = place
    if isinstance(body, dict):
        if is_name and not rest:
            return {(HOLE if name == key else name): part for name, part in body.items()}
        return body | {key: _with_hole(body[key], tuple(rest), is_name=is_name)}
    return [_with_hole(part, tuple(rest), is_name=is_name) if at == key else part for at, part in enumerate(body)]


def sealed_png(data: bytes) -> bytes:
    """A PNG whose chunks have the checksums of what is in them now, so that a reader goes on past them."""
    kept, place = bytearray(data[:8]), 8
    while place + 12 <= len(data):
        length = min(struct.unpack(">I", data[place : place + 4])[0], len(data) - place - 12)
        chunk = data[place + 4 : place + 8 + length]
        kept += struct.pack(">I", length) + chunk + struct.pack(">I", zlib.crc32(chunk))
        place += 12 + length
    return bytes(kept)
