import os
from pathlib import Path

import pytest

from models.data.omniglot import DRAWERS, SIDE, load_omniglot
from tests.models.training.tiny import omniglot


def test_an_absent_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="KSHOT_DATA"):
        load_omniglot(tmp_path, "background")


@pytest.mark.skipif("KSHOT_DATA" not in os.environ, reason="KSHOT_DATA names no folder of data sets")
@pytest.mark.parametrize(("split", "characters", "alphabets"), [("background", 964, 30), ("evaluation", 659, 20)])
def test_both_splits_are_whole(split: str, characters: int, alphabets: int) -> None:
    read = load_omniglot(Path(os.environ["KSHOT_DATA"]), split)  # type: ignore[arg-type]
    assert read.images.shape == (characters, DRAWERS, SIDE, SIDE)
    assert set(read.images[0, 0].flat) == {0, 1}
    assert len(read.characters_by_alphabet()) == alphabets


def test_choosing_alphabets_keeps_their_drawings_together() -> None:
    whole = omniglot()
    second = whole.only(range(1, 2))
    assert list(second.characters_by_alphabet()) == ["second"]
    assert (second.images == whole.images[1::2]).all()
    assert second.digest() != whole.digest()
