"""Frames as tasks: numbered anew, slots that only queries have apart; and the sets as they lie in the data folder."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from models.data.absent import AbsentDataSet
from models.data.frames import Frame, FrameEpisodes, FrameSet, episode, numbered, read, task_of
from models.inputs.frame import FrameInput
from models.types import Tags

FRAMES = [
    Frame("play Skyfall by Adele", "play", "music", (("track", 5, 12), ("artist", 16, 21))),
    Frame("play Adele", "play", "music", (("artist", 5, 10), ("odd", 6, 8))),
    Frame("rain in Rome", "rain", "weather", (("city", 8, 12),)),
    Frame("is it raining", "rain", "weather", ()),
]


def frame_set(num: int = 4) -> FrameSet:
    _, intents, tags, names = numbered(FRAMES, FrameInput())
    copies = range(num)
    return FrameSet(
        torch.randn(4 * num, 7, 8),
        torch.from_numpy(intents).repeat(num),
        torch.from_numpy(np.concatenate([tags for _ in copies]))[:, :6],
        names,
        [[0], [1]],
    )


def test_frames_are_numbered_by_name() -> None:
    rows, intents, tags, names = numbered(FRAMES, FrameInput())
    assert rows.shape == (4, 64, 5)
    assert (intents.tolist(), names) == ([0, 0, 1, 1], ["artist", "city", "odd", "track"])
    assert tags[:, :5].tolist() == [[0, 7, 0, 1, 0], [0, 1, 0, 0, 0], [0, 0, 3, 0, 0], [0] * 5]


def test_slots_that_only_queries_have_are_numbered_behind() -> None:
    batch = task_of(frame_set(), [1, 0], torch.tensor([2, 1]), torch.tensor([0, 3]))
    assert isinstance(batch.support.target, Tags)
    assert isinstance(batch.target, Tags)
    assert batch.support.target.intents.index.tolist() == [[0, 1]]
    assert batch.support.target.words.tolist() == [[[0, 0, 3, 0, 0, 0], [0, 1, 0, 0, 0, 0]]]
    assert batch.support.target.slots.tolist() == [[True, True, True]]
    assert batch.target.words[0, 0].tolist() == [0, 7, 0, 1, 0, 0]
    assert batch.target.words[0, 1].tolist() == [0] * 6


def test_episodes_depend_on_seed_and_step_alone() -> None:
    episodes = FrameEpisodes([frame_set()], max_ways=2, shots=(1, 2))
    one, same, other = episodes(3), episodes(3), episodes(4)
    assert torch.equal(one.support.rows.values, same.support.rows.values)
    assert not torch.equal(one.query.values, other.query.values)


def test_no_query_is_taught() -> None:
    batch = episode(frame_set(), [0, 1], 2, 9, torch.Generator().manual_seed(0))
    taught, asked = (rows.values[0].flatten(1).tolist() for rows in (batch.support.rows, batch.query))
    assert len(taught) == 4
    assert len(asked) == 12
    assert not any(row in taught for row in asked)


def test_an_absent_set_is_told_by_name(tmp_path: Path) -> None:
    with pytest.raises(AbsentDataSet, match="kshot data get sgd"):
        read("sgd", tmp_path, "train")


@pytest.mark.skipif("KSHOT_DATA" not in os.environ, reason="KSHOT_DATA names no folder of data sets")
def test_the_sets_are_read() -> None:
    data = Path(os.environ["KSHOT_DATA"])
    try:
        found = {name: read(name, data, split) for name, split in (("sgd", "dev"), ("snips", "test"))}
    except AbsentDataSet as error:
        pytest.skip(str(error))
    assert (len(found["sgd"]), len(found["snips"])) == (2407, 700)
    assert all(frame.text[start:end].strip() for frame in found["snips"] for _, start, end in frame.slots)
