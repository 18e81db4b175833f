import pytest

from service.codec.costs import AT_ONCE_US, decoding_us, support_us
from service.schemas import Example, Input, Slot


@pytest.mark.parametrize(
    ("inputs", "is_short"),
    [
        ([[0.5] * 64], True),
        ([[0.5] * 64] * 25, True),
        ([[0.5] * 64] * 1_000, False),
        (["book a table for two"] * 5, True),
        (["book a table for two"] * 500, False),
    ],
)
def test_what_is_short_by_what_was_sent(inputs: list[Input], is_short: bool) -> None:
    assert (decoding_us(inputs, [0] * len(inputs), (64,)) <= AT_ONCE_US) is is_short


@pytest.mark.parametrize(("num_px", "made_px", "is_short"), [(56, 56, True), (56, 224, False), (500, 56, False)])
def test_pictures_by_their_pixels_and_by_what_is_made_of_them(num_px: int, made_px: int, is_short: bool) -> None:
    assert (decoding_us([b"PNG"], [13 * num_px**2], (made_px, made_px, 3)) <= AT_ONCE_US) is is_short


def test_a_support_set_by_everything_that_is_checked() -> None:
    few = [Example(input="a", label="b")] * 25
    assert support_us(few) <= AT_ONCE_US < support_us(few * 10)
    slots = [Slot(name="a", start=place, end=place + 1) for place in range(100)]
    assert support_us([Example(input="a" * 100, label="b", slots=slots)] * 3) > AT_ONCE_US
    assert support_us([Example(input=[1.0], target=[1.0] * 1_000)] * 4) > AT_ONCE_US
