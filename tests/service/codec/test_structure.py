import contextlib
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.codec.structure import TOKEN, check_structure
from service.errors import BodyTooLarge
from service.settings import Settings

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
        b"[" + b",".join([b"1.5"] * 1_000_000) + b"]",
        b'"' + b"\\\\" * 1_000_000,
    ],
)
def test_long_texts_and_vectors_have_little_structure(body: bytes) -> None:
    check_structure(body, SETTINGS)


@pytest.mark.parametrize("unit", [b'"":1,', b"{},", b'"', b'\\"', b'"\\', b"[:", b'"\\\\"'])
def test_counting_is_quick_whatever_comes(unit: bytes) -> None:
    body = unit * (8 * 2**20 // len(unit))
    began = time.process_time()
    with contextlib.suppress(BodyTooLarge):
        check_structure(body, SETTINGS)
    assert time.process_time() - began < 2
