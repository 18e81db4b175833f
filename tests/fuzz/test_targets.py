"""A little of each target; `make fuzz` has more of them."""

import pytest

from tests.fuzz.running import fuzz
from tests.fuzz.targets import TARGETS, Target


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, about what is damaged
@pytest.mark.parametrize("name", TARGETS)
def test_nothing_comes_of_it_but_refusals(name: str) -> None:
    count = fuzz(TARGETS[name], cpu_s=60, max_cases=150)
    assert count.taken and count.refused


def test_what_is_not_foreseen_is_found() -> None:
    def read(data: bytes) -> None:
        if b"\x00\x00" in data:
            raise ValueError("planted")

    with pytest.raises(ValueError, match="planted"):
        fuzz(Target(TARGETS["safetensors"].cases, read), cpu_s=60, max_cases=150)
