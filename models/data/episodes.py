"""Episodes: which classes and which of their rows make a task. Every draw depends on (seed, step, task) alone."""

import hashlib
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Generator, Tensor

from models.types import Classes, Rows, Support, Target, Values, full_rows


@dataclass(frozen=True)
class Batch:
    """Tasks to adapt to and the queries to be judged by."""

    support: Support
    query: Rows
    target: Target

    @property
    def num_episodes(self) -> int:
        """Tasks."""
        return len(self.query.mask)


def generator(seed: int, step: int, task: int | None = None) -> Generator:
    """The randomness of one step, or of one task in it: the same after a resume, whatever came before."""
    if task is None:
        return Generator().manual_seed(seed * 1_000_003 + step)
    mixed = hashlib.blake2b(f"{seed} {step} {task}".encode(), digest_size=8).digest()
    return Generator().manual_seed(int.from_bytes(mixed, "big") >> 1)


def full_batch(support: Shaped[Tensor, "T N K *F"], query: Shaped[Tensor, "T N R *F"]) -> Batch:
    """Tasks of equal ways and shots, class by class, as a batch."""
    T, N, K = support.shape[:3]
    R = query.shape[2]
    classes = torch.arange(N, device=support.device)
    ways = torch.ones(T, N, dtype=torch.bool, device=support.device)
    target = Classes(classes.repeat_interleave(K).expand(T, -1), ways)
    answers = Classes(classes.repeat_interleave(R).expand(T, -1), ways)
    return Batch(Support(full_rows(support.flatten(1, 2)), target), full_rows(query.flatten(1, 2)), answers)


def split_batch(inputs: Float[Tensor, "T R D"], values: Float[Tensor, "T R O"], shots: int) -> Batch:
    """Regression tasks of equal size as a batch: their first `shots` rows are the support, the others the queries."""
    support = Support(full_rows(inputs[:, :shots]), Values(values[:, :shots]))
    return Batch(support, full_rows(inputs[:, shots:]), Values(values[:, shots:]))


def draw(
    pool: list[Int64[Tensor, "_"]], num_tasks: int, ways: int, rows: int, generator: Generator
) -> Int64[Tensor, "T N R"]:
    """Rows of `ways` classes a task; `pool` lists the rows of each class, and none is drawn twice in a task."""
    tasks = []
    for _ in range(num_tasks):
        chosen = torch.randperm(len(pool), generator=generator)[:ways].tolist()
        tasks.append(torch.stack([_some(pool[c], rows, generator) for c in chosen]))
    return torch.stack(tasks)


def _some(members: Int64[Tensor, "M"], num: int, generator: Generator) -> Int64[Tensor, "R"]:
    return members[torch.randperm(len(members), generator=generator)[:num]]
