"""Vinyals' split: whole characters, each four classes; what does not fit Omniglot is refused."""

from pathlib import Path

import pytest

from models.data.absent import AbsentDataSet
from models.data.vinyals import load_vinyals
from tests.models.training.tiny import write_omniglot, write_vinyals


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_omniglot(tmp_path)
    return tmp_path


def test_each_part_has_its_characters_of_both_sets(data: Path) -> None:
    write_vinyals(data)
    parts = {part: load_vinyals(data, part) for part in ("train", "val", "trainval", "test")}
    assert [len(each.images) for each in parts.values()] == [12, 6, 18, 6]
    assert set(parts["trainval"].characters_by_alphabet()) == {"alphabet_25", "alphabet_26", "alphabet_30"}
    assert set(parts["test"].characters_by_alphabet()) == {"alphabet_31"}


def test_without_the_lists_it_says_which_set_is_missing(data: Path) -> None:
    with pytest.raises(AbsentDataSet) as absent:
        load_vinyals(data, "test")
    assert absent.value.name == "omniglot-vinyals"


@pytest.mark.parametrize(
    ("line", "said"),
    [("alphabet_30/character01/rot000\n", "every quarter turn"), ("Klingon/character01/rot{}\n", "does not have")],
)
def test_lists_that_do_not_fit_are_refused(data: Path, line: str, said: str) -> None:
    write_vinyals(data)
    path = data / "omniglot" / "vinyals" / "test.txt"
    lines = [line] if "{}" not in line else [line.format(f"{90 * turn:03}") for turn in range(4)]
    path.write_text("".join(lines))
    with pytest.raises(ValueError, match=said):
        load_vinyals(data, "test")
