"""The benchmark of texts: draws hold each other, one threshold serves all sizes, tables show what is finished."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from benchmarks.text import tables
from benchmarks.text.asked import Asked
from benchmarks.text.command import Cell, Wanted
from benchmarks.text.features import Array, Features
from benchmarks.text.methods import LINEAR, REVISIONS
from benchmarks.text.probe import PENALTIES, Probe
from benchmarks.text.sets import LEFT_OUT, SETS, TextSet, cells, hwu64, sgd_domains
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


def test_a_rival_measured_otherwise_before_is_not_shown() -> None:
    done = [Cell(LINEAR, "hwu64", 5, 0, "accuracy", 0.5, 0.1, model) for model in ("", REVISIONS[LINEAR])]
    assert "| 50.0 |" in tables.page(done[1:], "command")
    assert "50.0" not in tables.page(done[:1], "command")


def test_an_entry_says_what_a_run_is_about_to_read() -> None:
    wanted = [Wanted("kshot", "hwu64", 5, draw, "new") for draw in range(2)] + [Wanted(LINEAR, "hwu64", 0, 0, "x", 72)]
    entry = tables.entry(wanted, ["HWU64"], "command")
    assert "digests: `new`\n- read: HWU64\n- 74 figures of kshot, frozen encoder" in entry


def test_out_of_scope_has_a_spread() -> None:
    done = [Cell("kshot", "clinc150", 5, n, "150 intents, 5 shots: AUROC", 0.9 + n / 10, 0, "m") for n in range(2)]
    assert "| 95.0 ± 5.0 |" in tables.page(done, "command")


def test_a_probe_gets_the_penalty_that_does_best_on_texts_that_it_was_not_shown() -> None:
    texts = {label: [f"{label}{number}" for number in range(9)] for label in "ab"}
    content = TextSet("x", "", "", texts, ["a0"], np.array([0]), "")
    place = {text: number for number, text in enumerate(content.texts)}
    rows = np.array([[1.0, 0] if text.startswith("a") else [0, 1] for text in place], np.float32)
    shown, classes = content.draw(3, 0)
    held_out, _ = content.draw(10, 0, behind=3)
    assert sorted(shown + held_out) == sorted(text for own in texts.values() for text in own)
    seen: list[str] = []

    def read(texts: Sequence[str]) -> Array:
        seen.extend(texts)
        return Features(place, rows).of(texts)

    probe, asked = Probe(lambda asked: read), Asked(content, shown, classes, Features(place, rows))
    assert probe.choose(asked) == PENALTIES[0]  # of equals the first
    assert set(seen) == {text for own in texts.values() for text in own}
    assert probe(asked).tolist() == [0]


def test_titles_are_true(data: Path) -> None:
    assert set(tables.TITLES) == set(SETS) == set(LEFT_OUT)
    assert all(SETS[name](data).left_out == left_out for name, left_out in LEFT_OUT.items())


def test_first_draws_come_first() -> None:
    assert list(cells(["a", "b"], (1, 5), 2))[:4] == [("a", 1, 0), ("a", 5, 0), ("b", 1, 0), ("b", 5, 0)]
