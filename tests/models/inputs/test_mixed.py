"""Rows of several modalities in one shape, and the pieces of one modality that an encoder gets of them."""

import numpy as np
import pytest
from PIL import Image

from models.inputs.mixed import MixedInput
from models.inputs.vector import InvalidVector

MIXED = MixedInput(max_tokens=8, max_dim=4)
DRAWN = Image.fromarray(np.pad(np.full((9, 3), 255, np.uint8), 5))
SENT = [DRAWN, "play a song", [1.5, -2.0], "what is the weather like in Rome today and tomorrow", [0.0, 1.0, 2.0, 3.0]]
FORMS = ["an image", "a text", "a vector of 2 numbers", "a text", "a vector of 4 numbers"]


def test_rows_of_all_kinds_have_one_shape_and_know_what_they_are() -> None:
    rows = np.stack([MIXED(each) for each in SENT])  # type: ignore[arg-type]
    assert rows.shape == (5, *MIXED.shape) and rows.dtype == MIXED.dtype
    assert MIXED.forms(rows) == FORMS
    assert MIXED.truncated(rows).tolist() == [False, False, False, True, False]


def test_pieces_hold_one_modality_as_its_own_input_makes_it() -> None:
    rows = np.stack([MIXED(each) for each in SENT])  # type: ignore[arg-type]
    found: dict[int, np.ndarray] = {}
    for places, piece in MIXED.cut(rows, 512):
        assert len(places) == len(piece)
        found |= dict(zip(places.tolist(), piece, strict=True))
    assert sorted(found) == [0, 1, 2, 3, 4]
    np.testing.assert_array_equal(found[0], MIXED.glyph(DRAWN))
    for place in (1, 3):
        tokens = MIXED.text(str(SENT[place]))
        np.testing.assert_array_equal(found[place], tokens[: len(found[place])])
        assert found[place].dtype == np.int32
    assert found[2].tolist() == [1.5, -2.0, 0.0, 0.0] and found[2].dtype == np.float32


def test_bytes_that_no_input_makes_have_no_form() -> None:
    rows = np.stack([MIXED(each) for each in (SENT[0], SENT[1], SENT[2])])  # type: ignore[arg-type]
    rows[0, 0], rows[1, 2:6], rows[2, 2:6] = 9, np.frombuffer(np.int32(-5).tobytes(), np.uint8), 255
    assert MIXED.forms(rows) == ["", "", ""]


@pytest.mark.parametrize(("sent", "said"), [([], "1 to 4 numbers, got 0"), ([1.0] * 5, "1 to 4 numbers, got 5")])
def test_vectors_have_a_longest(sent: list[float], said: str) -> None:
    with pytest.raises(InvalidVector, match=said):
        MIXED(sent)


def test_rows_that_are_made_up_are_of_every_modality() -> None:
    assert {form[:8] for form in MIXED.forms(MIXED.made_up(6))} == {"an image", "a text", "a vector"}
