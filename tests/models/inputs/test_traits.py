"""What every kind of inputs says of itself, whatever it is."""

from dataclasses import asdict

import pytest

from models.inputs import INPUTS


@pytest.mark.parametrize("name", sorted(INPUTS))
def test_rows_that_are_made_up_are_as_calls_make_them(name: str) -> None:
    inputs = INPUTS[name](**({"dim": 4} if name == "vector" else {}))
    rows = inputs.made_up(3)
    assert rows.shape == (3, *inputs.shape) and rows.dtype == inputs.dtype
    assert len(inputs.truncated(rows)) == 3 and all(inputs.forms(rows))
    assert INPUTS[name](**asdict(inputs)) == inputs and inputs.traits.max_rows >= 320
