"""Rows that many tasks share: for each task every row has a label, or none; and which rows are for what."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor

from models.data.absent import AbsentDataSet
from models.data.attributes import ATTRIBUTES, attributes_of
from models.data.episodes import generator
from models.data.omniglot import DRAWERS, Omniglot
from models.inputs.image import GlyphInput

Part: TypeAlias = Literal["train", "val", "test"]
NUM_TRAINED, NUM_VALIDATED = 14, 3  # of an Omniglot character's 20 drawers; the last three are for tests
MIN_PUPILS = 8  # of a school that is tested, too
NONE = -1  # the class of a row that has none in a task


@dataclass(frozen=True)
class JointBatch:
    """Rows, and their labels in each task: a class or NONE, a number or not-a-number."""

    inputs: Shaped[Tensor, "B *X"]
    classes: Int64[Tensor, "B C"]
    values: Float[Tensor, "B V"]


@dataclass(frozen=True)
class SharedRows:
    """All rows of a set of tasks: C of them tell classes apart, V of them predict a number."""

    rows: JointBatch
    labels: dict[str, list[str]]  # of each task with classes, in the order of the columns
    numbers: tuple[str, ...]  # the tasks with numbers
    part: Int64[Tensor, "B"]  # 0: to train on, 1: to validate with, 2: to test with

    @property
    def names(self) -> tuple[str, ...]:
        """Every task."""
        return (*self.labels, *self.numbers)

    def of(self, part: Part) -> JointBatch:
        """The rows for this."""
        return taken(self.rows, torch.nonzero(self.part == ("train", "val", "test").index(part)).flatten())

    def only(self, name: str) -> "SharedRows":
        """One task by itself: its rows, its labels."""
        classes, values = self.rows.classes, self.rows.values
        if name in self.labels:
            place = [*self.labels].index(name)
            classes, values, known = classes[:, [place]], values[:, :0], classes[:, place] != NONE
            labels, numbers = {name: self.labels[name]}, self.numbers[:0]
        else:
            place = self.numbers.index(name)
            classes, values, known = classes[:, :0], values[:, [place]], ~values[:, place].isnan()
            labels, numbers = {}, (name,)
        rows = taken(replace(self.rows, classes=classes, values=values), torch.nonzero(known).flatten())
        return SharedRows(rows, labels, numbers, self.part[known])


@dataclass(frozen=True)
class Drawn:
    """So many rows a step, by (seed, step), whatever tasks they are of."""

    rows: JointBatch
    num_rows: int = 128
    seed: int = 0

    def __call__(self, step: int) -> JointBatch:
        """The rows of one step; once through all of them before any comes again."""
        num, parts = len(self.rows.inputs), []
        first, last = step * self.num_rows, (step + 1) * self.num_rows
        for turn in range(first // num, (last - 1) // num + 1):
            order = torch.randperm(num, generator=generator(self.seed, turn))
            parts.append(order[max(0, first - turn * num) : max(0, last - turn * num)])
        return taken(self.rows, torch.cat(parts))


def taken(rows: JointBatch, places: Int64[Tensor, "R"]) -> JointBatch:
    """Some of the rows."""
    return JointBatch(rows.inputs[places], rows.classes[places], rows.values[places])


def drawings(omniglot: Omniglot, frame: GlyphInput, num_trained: int = NUM_TRAINED) -> SharedRows:
    """A task an alphabet, which of its characters this is; and a task an attribute of the drawing.

    Of each character, the first `num_trained` drawers are to train on, three to validate with and three to test with.
    """
    flat = omniglot.images.reshape(-1, *omniglot.images.shape[2:])
    images = torch.from_numpy(np.stack([frame(drawing * np.uint8(255)) for drawing in flat]))
    alphabets = omniglot.characters_by_alphabet()
    classes = torch.full((len(omniglot.images), len(alphabets)), NONE)
    for column, characters in enumerate(alphabets.values()):
        classes[torch.from_numpy(characters), column] = torch.arange(len(characters))
    drawer = torch.arange(DRAWERS).repeat(len(omniglot.images))
    part = (drawer >= NUM_TRAINED).long() + (drawer >= NUM_TRAINED + NUM_VALIDATED).long()
    rows = JointBatch(images, classes.repeat_interleave(DRAWERS, 0), torch.from_numpy(attributes_of(flat.astype(bool))))
    labels = {_named(name): [f"{n:02}" for n in range(1, len(members) + 1)] for name, members in alphabets.items()}
    kept = (part > 0) | (drawer < num_trained)
    places = torch.nonzero(kept).flatten()
    return SharedRows(taken(rows, places), labels, tuple(ATTRIBUTES), part[places])


def schools(data: Path, num_trained: int | None = None, seed: int = 0) -> SharedRows:
    """A task a school, to predict exam scores (mtl_exam: measured only, never shipped); a quarter of it is for tests.

    At most `num_trained` pupils of a school are trained on.
    """
    path = data / "mtl_exam" / "exam.npz"
    if not path.is_file():
        raise AbsentDataSet("mtl_exam", path)
    with np.load(path) as table:
        inputs, targets, task = table["X"], table["y"], torch.from_numpy(table["task"].astype(np.int64))
    values = torch.full((len(inputs), int(task.max()) + 1), torch.nan)
    values[torch.arange(len(inputs)), task] = torch.from_numpy(targets)
    part = torch.zeros(len(inputs), dtype=torch.int64)
    for school in range(values.shape[1]):
        members = torch.nonzero(task == school).flatten()
        members = members[torch.randperm(len(members), generator=generator(seed, school))]
        num_tests, num_val = (len(members) // 4, len(members) // 8) if len(members) >= MIN_PUPILS else (0, 0)
        part[members[:num_tests]], part[members[num_tests : num_tests + num_val]] = 2, 1
        if num_trained is not None:
            part[members[num_tests + num_val + num_trained :]] = 3  # of no part
    rows = JointBatch(torch.from_numpy(inputs), torch.zeros(len(inputs), 0, dtype=torch.int64), values)
    return SharedRows(rows, {}, tuple(f"school-{number}" for number in range(1, values.shape[1] + 1)), part)


def _named(name: str) -> str:
    """As tasks of a model are named: small letters and hyphens."""
    return re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")
