"""The rivals of the benchmark of speed do the same work: equal losses, equal gradients; and the tables are written."""

import os
from pathlib import Path

import pytest
import torch

from benchmarks import meta_training
from benchmarks.floor import bare_rate, operations
from benchmarks.meta_training import METHODS, TYPES, drawn
from benchmarks.rivals import LEARN2LEARN, Step, kshot, learn2learn, plain

CHANNELS = 16  # two a group of the norms: of one alone, the bias before has no gradient but rounding


def agree(step: Step, other: Step) -> None:
    """One loss, and one gradient of every parameter that both train."""
    assert step() == pytest.approx(other(), rel=1e-4)
    gradients, expected = step.gradients(), other.gradients()
    assert expected
    assert gradients.keys() == expected.keys()
    for name, gradient in gradients.items():
        size = float(expected[name].abs().max())
        torch.testing.assert_close(gradient, expected[name], rtol=1e-3, atol=1e-3 * size + 1e-7, msg=name)


@pytest.mark.parametrize("method", METHODS)
def test_a_plain_loop_has_the_same_loss_and_gradients(method: str) -> None:
    episodes = drawn(4)
    agree(kshot(method, episodes, CHANNELS), plain(method, episodes, CHANNELS))


@pytest.mark.skipif(LEARN2LEARN not in os.environ, reason=f"{LEARN2LEARN} does not name learn2learn's source")
@pytest.mark.parametrize("method", ["prototypical", "anil", "maml"])
def test_so_has_learn2learn(method: str) -> None:
    episodes = drawn(4)
    rival = learn2learn(method, episodes, CHANNELS)
    assert rival
    agree(kshot(method, episodes, CHANNELS), rival)


@pytest.mark.parametrize("method", ["prototypical", "ridge", "anil"])
def test_in_bfloat16_the_loss_is_nearly_the_same(method: str) -> None:
    episodes = drawn(4)
    exact = kshot(method, episodes, CHANNELS)()
    for way in (kshot, plain):
        assert way(method, episodes, CHANNELS, dtype=torch.bfloat16)() == pytest.approx(exact, rel=2e-2)


def test_the_floor_counts_convolutions_forwards_and_backwards() -> None:
    episodes = drawn(2)
    images = 2 * meta_training.WAYS * (meta_training.SHOTS + meta_training.ASKED)
    blocks = [(1, 28), (CHANNELS, 14), (CHANNELS, 7), (CHANNELS, 3)]
    forwards = [2 * 9 * fan_in * CHANNELS * side**2 for fan_in, side in blocks]
    expected = images * (2 * forwards[0] + 3 * sum(forwards[1:]))  # the drawings themselves have no gradient
    assert operations("prototypical", episodes, CHANNELS) == pytest.approx(expected)
    assert bare_rate(strided=True, channels=CHANNELS) > 0


def test_the_table_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meta_training, "METHODS", ("ridge",))
    monkeypatch.setattr(meta_training, "keep_memory", lambda: None)
    threads = torch.get_num_threads()
    page = tmp_path / "results.md"
    meta_training.main(rounds=1, num_tasks=2, channels=CHANNELS, results=page)
    meta_training.main(rounds=1, num_tasks=2, channels=CHANNELS, dtype="bfloat16", results=page)
    torch.set_num_threads(threads)
    assert page.read_text().count("\n| ridge | ") == len(TYPES)
    assert all(said in page.read_text() for said in TYPES.values())
