"""Episodes from classes of stored rows, and the split of such classes into those to train on and those to judge by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int64, Shaped
from torch import Generator, Tensor

from models.data.episodes import Batch, draw, full_batch, generator
from models.data.schema import UnusableData

Classes = Mapping[tuple[str, str], Sequence[int]]  # family and label -> the positions of their rows
SPLIT_SEED = 0
MIN_SPLIT = 4  # labels of a family that are split: two to train on, two to judge by


@dataclass(frozen=True)
class PoolEpisodes:
    """Tasks whose ways are classes of one family; ways, shots and queries vary from step to step."""

    rows: Shaped[Tensor, "B *X"]
    classes: Classes
    num_tasks: int = 8
    max_ways: int = 10
    max_shots: int = 5
    max_queries: int = 5
    seed: int = 0
    alike: bool = False  # whether families are drawn alike, and not by how many classes they have

    def __call__(self, step: int) -> Batch:
        """The tasks of one step, all of the same ways and shots."""
        draws = generator(self.seed, step)
        each = _integer(draws, 2, min(self._most_rows(), self.max_shots + self.max_queries))
        shots = _integer(draws, max(1, each - self.max_queries), min(self.max_shots, each - 1))
        families = self._families(each)
        ways = _integer(draws, 2, min(self.max_ways, max(map(len, families))))
        families = [members for members in families if len(members) >= ways]
        weights = torch.tensor([1 if self.alike else len(members) for members in families]).float()
        tasks = []
        for task in range(self.num_tasks):
            mine = generator(self.seed, step, task)
            family = int(torch.multinomial(weights, 1, generator=mine))
            tasks.append(draw(families[family], 1, ways, each, mine))
        rows = self.rows[torch.cat(tasks)]
        return full_batch(rows[:, :, :shots], rows[:, :, shots:])

    def _families(self, least: int) -> list[list[Int64[Tensor, "_"]]]:
        """The classes with so many rows, by family; families of one class make no task."""
        families: dict[str, list[Tensor]] = {}
        for (family, _), positions in self.classes.items():
            if len(positions) >= least:
                families.setdefault(family, []).append(torch.tensor(positions))
        return [members for members in families.values() if len(members) >= 2]

    def _most_rows(self) -> int:
        """How many rows of a class there can be in a task: two classes of a family must have them."""
        return max(sorted(map(len, members))[-2] for members in self._families(2))


def split(classes: Classes, share: float) -> tuple[Classes, Classes]:
    """Classes to train on and classes held out, by label: at least two of each. Raises UnusableData.

    Labels are held out within each family that has four, whole families where all are smaller.
    """
    families: dict[str, list[tuple[str, str]]] = {}
    for name in _shuffled([name for name, positions in classes.items() if len(positions) >= 2]):
        families.setdefault(name[0], []).append(name)
    usable = [names for names in families.values() if len(names) >= 2]
    if any(len(names) >= MIN_SPLIT for names in usable):
        held = [
            name for names in usable if len(names) >= MIN_SPLIT for name in names[: max(2, round(share * len(names)))]
        ]
    elif len(usable) >= 2:
        held = [name for names in usable[: max(1, round(share * len(usable)))] for name in names]
    else:
        raise UnusableData(
            "there must be at least four labels with two examples each: two to train on, two to validate by"
        )
    trained = {name for names in usable for name in names} - set(held)
    return {name: classes[name] for name in sorted(trained)}, {name: classes[name] for name in sorted(held)}


def _shuffled(names: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [names[n] for n in torch.randperm(len(names), generator=generator(SPLIT_SEED, 0)).tolist()]


def _integer(draws: Generator, low: int, high: int) -> int:
    """From low to high, both included."""
    return int(torch.randint(low, high + 1, (), generator=draws))
