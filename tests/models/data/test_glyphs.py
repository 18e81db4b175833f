import pytest
import torch

from models.data.drawing import NUM_SYMMETRIES, Style
from models.data.glyphs import GlyphEpisodes
from models.inputs.image import GlyphInput
from tests.models.training.tiny import omniglot


def episodes(ways: int = 4) -> GlyphEpisodes:
    return GlyphEpisodes(omniglot(), GlyphInput(28), Style(), num_tasks=2, ways=ways, drawers=2, seed=1)


def test_a_batch_depends_on_its_step_alone() -> None:
    make = episodes()
    make(0)
    assert torch.equal(make(3).images, episodes()(3).images)
    assert not torch.equal(make(3).images, make(4).images)


@pytest.mark.parametrize("mixed", [False, True])
def test_a_task_is_the_same_whatever_others_are_made_with_it(mixed: bool) -> None:
    make = GlyphEpisodes(omniglot(), GlyphInput(28), Style(coarse=0.5), num_tasks=5, ways=3, drawers=2, mixed=mixed)
    together = make(7)
    for tasks in (range(2), range(2, 5)):  # as if two lanes, or machines, had shared the batch
        part = make(7, tasks)
        assert torch.equal(part.images, together.images[tasks.start : tasks.stop])
        assert torch.equal(part.identity, together.identity[tasks.start : tasks.stop])
    assert len({image.numpy().tobytes() for image in together.images}) == 5


def test_the_ways_of_a_task_are_distinct_of_one_alphabet_under_one_symmetry() -> None:
    batch = episodes()(0)
    assert batch.images.shape == (2, 4, 2, 28, 28)
    for identity in batch.identity:
        characters = identity // NUM_SYMMETRIES
        assert len(characters.unique()) == 4
        assert len((characters % 2).unique()) == 1  # alphabets alternate
        assert len((identity % NUM_SYMMETRIES).unique()) == 1


def test_a_small_alphabet_is_filled_up_from_others() -> None:
    batch = episodes(ways=9)(0)
    for identity in batch.identity:
        characters = identity // NUM_SYMMETRIES
        assert len(characters.unique()) == 9
        assert len((characters[:6] % 2).unique()) == 1


def test_identities_count_each_symmetry() -> None:
    assert episodes().num_identities == 12 * NUM_SYMMETRIES


def test_mixed_ways_are_distinct_each_under_a_symmetry_of_its_own() -> None:
    make = GlyphEpisodes(omniglot(), GlyphInput(28), Style(), num_tasks=2, ways=9, drawers=2, mixed=True)
    for identity in make(0).identity:
        assert len(identity.unique()) == 9
        assert len((identity % NUM_SYMMETRIES).unique()) > 1
        assert len((identity // NUM_SYMMETRIES % 2).unique()) == 2
