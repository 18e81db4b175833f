"""The benchmark of texts: draws hold each other, one threshold serves all sizes, tables show what is finished."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmarks.text import tables
from benchmarks.text.command import Cell
from benchmarks.text.sets import TextSet, cells, hwu64, sgd_domains
from benchmarks.text.unknown import Sized, accepted, auroc, threshold
from tests.models.data.test_intents import written


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    yield written(tmp_path_factory.mktemp("data"))


def test_draws_of_more_shots_hold_those_of_fewer(data: Path) -> None:
    content = TextSet("a", "", "", {"x": ["1", "2", "3"], "y": ["4"]}, ["5"], np.array([0]), "")
    few, classes = content.draw(2, number=0)
    more, _ = content.draw(3, number=0)
    assert classes.tolist() == [0, 0, 1]
    assert set(few) < set(more)
    assert content.draw(2, number=0)[0] == few
    assert hwu64(data).names == ["alarm off", "alarm set", "lights"]


def test_nothing_that_is_asked_is_shown(data: Path) -> None:
    content = sgd_domains(data)
    assert list(content.shown) == ["FindBus"]
    assert not set(content.queries) & {text for texts in content.shown.values() for text in texts}
    assert len(content.texts) == 6 + 1  # and the name


def test_one_threshold_for_tasks_of_all_sizes() -> None:
    rng = np.random.default_rng(0)
    small, large = (Sized(5, shots, rng.normal(0, 1, 1000 * shots), rng.normal(3, 1, 500)) for shots in (1, 10))
    limit = threshold([small, large])
    assert np.mean([accepted(small, limit)[0], accepted(large, limit)[0]]) == pytest.approx(0.95, abs=0.005)
    assert accepted(small, limit)[1] == pytest.approx(0.09, abs=0.03)


def test_ranks_with_equal_doubts() -> None:
    assert auroc(Sized(1, 1, np.array([0.0, 1.0]), np.array([2.0]))) == 1
    assert auroc(Sized(1, 1, np.array([0.0, 1.0]), np.array([1.0]))) == 0.75


def test_the_page_shows_the_newest_model_alone() -> None:
    done = [
        Cell("kshot", "hwu64", 5, draw, "accuracy", value, 0.1, model)
        for model, value in (("old", 0.1), ("new", 0.9))
        for draw in range(2)
    ]
    page = tables.page([*done, Cell("nearest centroid", "hwu64", 1, 0, "accuracy", 0.5, 0.1, "")], "command")
    assert "| kshot | - | - | 90.0 ± 0.0 | - | - | 0.1 | 2 |" in page
    assert "| nearest centroid | 50.0 |" in page
    assert "`new`, `old`" in tables.entry(done, ["HWU64"], "command")


def test_first_draws_come_first() -> None:
    assert list(cells(["a", "b"], (1, 5), 2))[:4] == [("a", 1, 0), ("a", 5, 0), ("b", 1, 0), ("b", 5, 0)]
