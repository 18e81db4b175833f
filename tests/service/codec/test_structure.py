import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.codec.structure import NUMBER_BYTES, TOKEN, check_structure
from service.errors import BodyTooLarge
from service.settings import Settings
from tests.clock import plain_ms

SETTINGS = Settings(max_examples=1, max_inputs=1)
LIMIT = 20_064


def num_tokens(value: object) -> int:
    if isinstance(value, dict):
        return 1 + sum(2 + num_tokens(each) for each in value.values())
    if isinstance(value, list):
        return 1 + sum(num_tokens(each) for each in value)
    return int(isinstance(value, str))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON, st.booleans())
def test_texts_count_once_whatever_is_in_them(value: object, ascii_only: bool) -> None:
    body = json.dumps(value, ensure_ascii=ascii_only).encode()
    assert sum(1 for _ in TOKEN.finditer(body)) == num_tokens(value)


def test_the_limit_is_exact() -> None:
    check_structure(b"[" * LIMIT, SETTINGS)
    with pytest.raises(BodyTooLarge):
        check_structure(b"[" * (LIMIT + 1), SETTINGS)


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"inputs": ['{"a": [1, 2]}' * 100_000]}).encode(),  # a text full of code
        b"[" + b",".join([b"[" + b",".join([b"1.5"] * 768) + b"]"] * 600) + b"]",
        json.dumps(["1,2,3," * 300_000]).encode(),  # a text full of numbers
        b'"' + b"\\\\" * 1_000_000,
    ],
)
def test_long_texts_and_vectors_have_little_structure(body: bytes) -> None:
    check_structure(body, SETTINGS)


@pytest.mark.parametrize(
    "body",
    [
        b"[" + b"1," * 3_900_000 + b"1]",
        b'["a"' + b",1" * 140_000 + b"]",
        b'["]"' + b",1" * 140_000 + b"]",
        b"[" + b",".join([b"[" + b"1," * 1_000 + b"1]"] * 600) + b"]",
    ],
    ids=["one list", "behind a text", "behind a bracket in a text", "many lists"],
)
def test_more_numbers_than_models_take_are_refused(body: bytes) -> None:
    def refused() -> None:
        with pytest.raises(BodyTooLarge, match="numbers"):
            check_structure(body, SETTINGS)

    assert plain_ms(refused) < 1_000


@pytest.mark.parametrize(
    "body",
    [b',""' * 140_000 + b"1[" * 8_000_000, b",1]" * 140_000 + b"xx]" * 5_000_000, b',""' * 600_000 + b"1]" * 8_000_000],
    ids=["lists that open", "lists that close", "texts and lists that close"],
)
def test_what_is_no_json_takes_no_longer(body: bytes) -> None:
    def read() -> None:
        with contextlib.suppress(BodyTooLarge):
            check_structure(body, Settings(), widest=8_192)

    assert plain_ms(read) < 1_000


def test_how_many_numbers_depends_on_the_models() -> None:
    body = b"[" + b",".join([b"[" + b"1," * 139_999 + b"1]"] * 10) + b"]"
    with pytest.raises(BodyTooLarge):
        check_structure(body, SETTINGS, widest=64)
    settings = Settings(max_examples=10, max_inputs=1)
    assert check_structure(body, settings, widest=140_000) == (1_400_000 - 1) * NUMBER_BYTES


@pytest.mark.parametrize("unit", [b'"":1,', b"{},", b"1,", b'1,"",', b"],", b'"', b'\\"', b'"\\', b"[:", b'"\\\\"'])
def test_counting_is_quick_whatever_comes(unit: bytes) -> None:
    body = unit * (8 * 2**20 // len(unit))

    def read() -> None:
        with contextlib.suppress(BodyTooLarge):
            check_structure(body, SETTINGS)

    assert plain_ms(read) < 1_000
