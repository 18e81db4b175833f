"""Tasks drawn from rows as an encoder sees them: of any ways and shots, some of them with wrong labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Int64, Shaped
from torch import Generator, Tensor

from models.checkpoint import Checkpoint
from models.data.episodes import generator
from models.inputs.text import TextInput
from models.training.appraisals.judging import Asked, Source
from models.types import Classes, Support, full_rows

SEED = 71  # of no training and no figure
MAX_SUPPORT = 400  # rows
NOISY = 0.1  # of tasks of three examples a label or more; and of their labels, which are then wrong


@dataclass(frozen=True)
class Fitting:
    """A model's tasks, how many, and for its card what they are."""

    source: Source
    num_tasks: int
    told: str


@dataclass(frozen=True)
class Pool:
    """Rows as an encoder sees them, and of each group the rows of each of its classes: what tasks are drawn from."""

    rows: Shaped[Tensor, "B *F"]
    groups: Mapping[str, Sequence[Int64[Tensor, "_"]]]
    max_shots: int = 20
    max_queries: int = 15
    seed: int = 0
    noisy: float = NOISY  # share of tasks with wrong labels
    max_rows: int = MAX_SUPPORT

    def __call__(self, number: int) -> Asked:
        """The task of this number: ways, shots and how even they are vary, and some labels are wrong."""
        draw = generator(self.seed, number)
        group = list(self.groups)[number % len(self.groups)]
        classes = self.groups[group]
        most = min(20, len(classes))
        ways = 2 + int(torch.randint(max(1, most - 1), (), generator=draw))
        chosen = torch.randperm(len(classes), generator=draw)[:ways].tolist()
        shots = shot_counts(draw, ways, self.max_shots, self.max_rows)
        support, query = _divided([classes[c] for c in chosen], shots, self.max_queries, draw)
        truth = torch.cat([torch.full((len(rows),), way) for way, rows in enumerate(query)])
        taught = torch.cat([torch.full((len(rows),), way) for way, rows in enumerate(support)])
        told = mistaken(taught, ways, draw, self.noisy)
        target = Classes(told.unsqueeze(0), torch.ones(1, ways, dtype=torch.bool))
        rows, asked = (self.rows[torch.cat(parts)].unsqueeze(0) for parts in (support, query))
        wrong = (told != taught).nonzero().flatten().tolist()
        return Asked(group, Support(full_rows(rows), target), full_rows(asked), truth, wrong)


def shot_counts(draw: Generator, ways: int, most: int, max_rows: int = MAX_SUPPORT) -> list[int]:
    """Examples of each way: the same of all in two tasks of three."""
    most = max(1, min(most, max_rows // ways))
    middle = round(float(most ** torch.rand((), generator=draw)))
    if float(torch.rand((), generator=draw)) < 2 / 3:
        return [middle] * ways
    spread = (2 * torch.rand(ways, generator=draw) - 1).exp2().tolist()
    return [min(most, max(1, round(middle * each))) for each in spread]


def _divided(
    classes: Sequence[Tensor], shots: Sequence[int], max_queries: int, draw: Generator
) -> tuple[list[Tensor], list[Tensor]]:
    """Of each class so many rows to learn from, at most all but two, and others to ask about."""
    support, query = [], []
    for rows, wanted in zip(classes, shots, strict=True):
        order = rows[torch.randperm(len(rows), generator=draw)]
        num = max(1, min(wanted, len(rows) - 2))
        support.append(order[:num])
        query.append(order[num : num + max_queries])
    return support, query


def mistaken(taught: Tensor, ways: int, draw: Generator, share: float = NOISY) -> Tensor:
    """In this share of tasks, a tenth of the labels are others."""
    if len(taught) < 3 * ways or float(torch.rand((), generator=draw)) > share:
        return taught
    is_wrong = torch.rand(len(taught), generator=draw) < NOISY
    other = (taught + 1 + torch.randint(ways - 1, taught.shape, generator=draw)) % ways
    wrong = torch.where(is_wrong, other, taught)
    return wrong if int((torch.bincount(wrong, minlength=ways) > 0).sum()) == ways else taught


def both(one: Pool, other: Pool) -> Pool:
    """The groups of two pools."""
    later = {name: [len(one.rows) + places for places in own] for name, own in other.groups.items()}
    return replace(one, rows=torch.cat([one.rows, other.rows]), groups={**one.groups, **later})


def positions_of(lengths: list[int]) -> list[Tensor]:
    """Where the rows of each class lie, one class after another."""
    ends = np.cumsum(lengths)
    return [torch.arange(end - length, end) for end, length in zip(ends.tolist(), lengths, strict=True)]


def encoded(checkpoint: Checkpoint, rows: Tensor) -> Tensor:
    """What the encoder makes of rows; texts go short ones first."""
    parts, order = [], []
    with torch.inference_mode():
        for where, piece in _cut(checkpoint, rows):
            parts.append(checkpoint.learner.encoder(piece).float())
            order.append(where)
    return torch.cat(parts)[torch.cat(order).argsort()]


def _cut(checkpoint: Checkpoint, rows: Tensor) -> list[tuple[Tensor, Tensor]]:
    if checkpoint.card.modality != "text":
        return list(zip(torch.split(torch.arange(len(rows)), 64), torch.split(rows, 64), strict=True))
    assert isinstance(checkpoint.inputs, TextInput)
    pieces = checkpoint.inputs.cut(rows.numpy(), 2048, mixed=True)
    return [(torch.from_numpy(np.asarray(where)), torch.from_numpy(np.asarray(piece))) for where, piece in pieces]
