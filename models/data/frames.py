"""Texts with an intent and slots: the data sets, and episodes of tasks drawn from them."""

import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Generator, Tensor

from models.data.absent import AbsentDataSet
from models.data.episodes import Batch, generator
from models.inputs.frame import FrameInput, tagged
from models.inputs.text import InvalidText
from models.types import Classes, Support, Tags, full_rows

FILES = {"sgd": "sgd/sgd_{split}.jsonl.gz", "hwu64": "hwu64/hwu64.jsonl.gz", "snips": "snips/snips.jsonl.gz"}


@dataclass(frozen=True)
class Frame:
    """One text: its intent, the domain that this is of, and its slots as (name, first character, behind the last)."""

    text: str
    intent: str
    domain: str
    slots: tuple[tuple[str, int, int], ...]


def read(name: str, data: Path, split: str) -> list[Frame]:
    """The texts of one split ("train", "dev", "test") of sgd, hwu64 or snips; intents of sgd are told by service."""
    path = data / FILES[name].format(split=split)
    if not path.is_file():
        raise AbsentDataSet(name, path)
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    return [
        Frame(
            row["text"],
            f"{row['domain']}/{row['intent']}" if name == "sgd" else row["intent"],
            row.get("domain") or name,
            tuple((slot["name"], slot["start"], slot["end"]) for slot in row["slots"]),
        )
        for row in rows
        if row["split"] == split
    ]


@dataclass(frozen=True)
class FrameSet:
    """The frames of a data set beside what an encoder made of their texts; intents and slots by number."""

    features: Float[Tensor, "B R F"]
    intents: Int64[Tensor, "B"]
    slots: Int64[Tensor, "B L"]  # as Tags.words, over all slots of the set
    names: Sequence[str]  # of the slots, from number 1 on
    domains: Sequence[Sequence[int]]  # the intents of each


def numbered(frames: Sequence[Frame], inputs: FrameInput) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str]]:
    """Rows [B L 5], intents [B] and words' tags [B W] of frames, and the names of their slots.

    Slots that do not begin and end where words do are left out: a handful are annotated so.
    """
    intents = {name: number for number, name in enumerate(sorted({frame.intent for frame in frames}))}
    names = {name: number for number, name in enumerate(sorted({slot[0] for f in frames for slot in f.slots}), 1)}
    rows = np.stack([_row(inputs, frame.text) for frame in frames])
    tags = np.zeros((len(frames), inputs.max_words), np.int64)
    for row, tag, frame in zip(rows, tags, frames, strict=True):
        tagged(tag, inputs.borders(row), [(names[name], start, end) for name, start, end in frame.slots])
    return rows, np.array([intents[frame.intent] for frame in frames]), tags, list(names)


def _row(inputs: FrameInput, text: str) -> np.ndarray:
    try:
        return inputs(text)
    except InvalidText:
        return np.zeros(inputs.shape, inputs.dtype)


@dataclass(frozen=True)
class FrameEpisodes:
    """One task a step: intents of a few domains or of all, of the set drawn first; few shots oftener than many."""

    sets: Sequence[FrameSet]
    min_ways: int = 2
    max_ways: int = 12
    shots: tuple[int, ...] = (1, 1, 2, 3, 5, 5, 8, 10)
    max_rows: int = 80  # of the support
    num_queries: int = 30
    seed: int = 0

    def __call__(self, step: int) -> Batch:
        """The task of this step."""
        draws = generator(self.seed, step)
        chosen = self.sets[_integer(draws, len(self.sets))]
        pool = self._pool(chosen, draws)
        shots = self.shots[_integer(draws, len(self.shots))]
        ways = min(self.min_ways + _integer(draws, self.max_ways - self.min_ways + 1), len(pool))
        ways = min(ways, max(self.min_ways, self.max_rows // shots))
        order = torch.randperm(len(pool), generator=draws)[:ways].tolist()
        return episode(chosen, [pool[place] for place in order], shots, max(2, self.num_queries // ways), draws)

    def _pool(self, chosen: FrameSet, draws: Generator) -> list[int]:
        """The intents of some domains, or of all."""
        everything = [intent for domain in chosen.domains for intent in domain]
        if _integer(draws, 5) < 2:
            return everything
        order = torch.randperm(len(chosen.domains), generator=draws).tolist()
        some = [intent for place in order[: 1 + _integer(draws, 4)] for intent in chosen.domains[place]]
        return some if len(some) >= self.min_ways else everything


def episode(frames: FrameSet, intents: Sequence[int], shots: int, queries: int, draws: Generator) -> Batch:
    """A task of these intents, with up to so many queries of each."""
    taught, asked = [], []
    for intent in intents:
        own = (frames.intents == intent).nonzero().squeeze(1)
        order = own[torch.randperm(len(own), generator=draws)]
        num = min(shots, len(order) - 1)
        taught.append(order[:num])
        asked.append(order[num : num + queries])
    return task_of(frames, intents, torch.cat(taught), torch.cat(asked))


def task_of(frames: FrameSet, intents: Sequence[int], support: Int64[Tensor, "S"], query: Int64[Tensor, "Q"]) -> Batch:
    """A task of these rows. Its slots are those of the support; those that only queries have are numbered behind.

    What is padding in all of them is cut off.
    """
    longest = int(frames.features[torch.cat([support, query])].any(-1).sum(1).max())
    frames = replace(frames, features=frames.features[:, :longest], slots=frames.slots[:, :longest])
    support_target, query_target = _targets(frames, intents, support, query)
    return Batch(
        Support(full_rows(frames.features[support][None].float()), support_target),
        full_rows(frames.features[query][None].float()),
        query_target,
    )


def _targets(
    frames: FrameSet, intents: Sequence[int], support: Int64[Tensor, "S"], query: Int64[Tensor, "Q"]
) -> tuple[Tags, Tags]:
    """Intents and tags as one task numbers them."""
    place = torch.full((int(frames.intents.max()) + 1,), -1)
    place[torch.tensor(intents)] = torch.arange(len(intents))
    number = torch.zeros(len(frames.names) + 1, dtype=torch.int64)
    number[(frames.slots[support].flatten() + 1) // 2] = 1
    own, others = number[1:].nonzero().squeeze(1) + 1, (number[1:] == 0).nonzero().squeeze(1) + 1
    slots = (torch.arange(max(2, len(own) + 1)) <= len(own))[None]
    number[own] = torch.arange(1, len(own) + 1)
    number[others] = slots.shape[1] + torch.arange(len(others))
    number[0] = 0
    ways = torch.ones(1, len(intents), dtype=torch.bool)

    def target(rows: Tensor) -> Tags:
        tags = frames.slots[rows]
        mine = number[(tags + 1) // 2]
        return Tags(Classes(place[frames.intents[rows]][None], ways), (2 * mine - tags % 2).clamp(min=0)[None], slots)

    return target(support), target(query)


def _integer(draws: Generator, stop: int) -> int:
    return int(torch.randint(stop, (), generator=draws))
