"""What tasks gain by learning from others: trials on families of classes, or on curves, that were in no training.

Each trial is one new task and what it may choose among: more of its own family (related), and others that use the very
same labels for other things (hostile), which a good choice leaves alone.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Shaped
from PIL import Image
from torch import Generator, Tensor

from models.checkpoint import Checkpoint
from models.data.episodes import generator
from models.data.intents import by_label, load_intents
from models.data.omniglot import load_omniglot
from models.data.synthetic import CurveTasks, VectorTasks
from models.heads.head import Head
from models.inputs.image import GlyphInput
from models.inputs.text import TextInput
from models.learner import Learner
from models.pauses import at_once
from models.training.glyphs import VALIDATED
from models.transfer import Lesson, choose, support_of
from models.types import Gaussian, Logits

TAUGHT = 10  # rows of a class that the other task has
ASKED = 15  # rows of a class that are asked
VALUES_TAUGHT, VALUES_ASKED = 20, 30
HELD_OUT, KEPT = 1, 2  # the seeds of synthetic families, for figures and for choosing
WAYS = 5
GRID_SHOTS, GRID_DRAWS = 2, 20
PIECE = 32  # rows in one pass of the encoder


@dataclass(frozen=True)
class Family:
    """Features of rows by class; of a curve its rows, with their values."""

    name: str
    classes: Sequence[Shaped[Tensor, "R *F"]]
    values: Float[Tensor, "R 1"] | None = None


@dataclass(frozen=True)
class Trial:
    """How good the task was alone and with what it chose (shares of right answers, or of variance), and what it was."""

    alone: float
    taught: float
    chosen: tuple[int, ...]

    @property
    def gain(self) -> float:
        """In points."""
        return 100 * (self.taught - self.alone)


@dataclass(frozen=True)
class Drawn:
    """One draw of a family: what the new task is sent, what another task knows, and what is asked."""

    own: Lesson
    other: Lesson
    asked: Lesson


def drawn(family: Family, shots: int, draw: Generator) -> Drawn:
    """Of a family with many classes, some of them."""
    if family.values is not None:
        order = torch.randperm(len(family.values), generator=draw)
        ends = (shots, VALUES_TAUGHT, VALUES_ASKED)
        parts = torch.split(order[: sum(ends)], [shots, VALUES_TAUGHT, len(order[: sum(ends)]) - shots - VALUES_TAUGHT])
        return Drawn(*(Lesson(family.classes[0][part], family.values[part]) for part in parts))
    chosen = torch.randperm(len(family.classes), generator=draw)[:WAYS].tolist()
    rows: list[list[Tensor]] = [[], [], []]
    for way in chosen:
        order = torch.randperm(len(family.classes[way]), generator=draw)
        cuts = (order[:shots], order[shots : shots + TAUGHT], order[shots + TAUGHT :][:ASKED])
        for part, cut in zip(rows, cuts, strict=True):
            part.append(family.classes[way][cut])
    return Drawn(*(_lesson(part) for part in rows))


def trial(head: Head, task: Drawn, others: Sequence[Lesson]) -> Trial:
    """One task, by itself and with the others to choose among."""
    num_ways = 0 if task.own.target.is_floating_point() else int(task.own.target.max()) + 1
    chosen = at_once(choose(head, task.own, others, num_ways))
    alone = score(head, task.own, task.asked, num_ways)
    joined = task.own.with_others([others[place] for place in chosen])
    return Trial(alone, score(head, joined, task.asked, num_ways) if chosen else alone, tuple(chosen))


def score(head: Head, lesson: Lesson, asked: Lesson, num_ways: int) -> float:
    """The share of right answers; of a regression the share of the variance that is explained, none at least."""
    scores = head.predict(head.adapt(support_of(lesson, num_ways)), support_of(asked, num_ways).rows)
    if isinstance(scores, Gaussian):
        left = (scores.mean[0] - asked.target).square().mean() / asked.target.var(0, correction=0).mean()
        return 1 - min(1.0, left.item())
    assert isinstance(scores, Logits)
    return (scores.values[0].argmax(-1) == asked.target).float().mean().item()


def disordered(lesson: Lesson) -> Lesson:
    """The same labels for other things; of values, their mirror image."""
    if lesson.target.is_floating_point():
        return Lesson(lesson.rows, lesson.target.mean() - (lesson.target - lesson.target.mean()))
    return Lesson(lesson.rows, (lesson.target + 1) % (int(lesson.target.max()) + 1))


def grid(
    head: Head, families: Sequence[Family], shots: int = GRID_SHOTS, num_draws: int = GRID_DRAWS
) -> Float[np.ndarray, "F F"]:
    """The mean gain of a task of each family (columns) where it may choose one of another (rows), or of its own."""
    gains = np.zeros((len(families), len(families)))
    for number in range(num_draws):
        draws = [drawn(family, shots, generator(number, place)) for place, family in enumerate(families)]
        with torch.inference_mode():
            for row, source in enumerate(draws):
                for column, target in enumerate(draws):
                    gains[row, column] += trial(head, target, [source.other]).gain / num_draws
    return gains


def families(checkpoint: Checkpoint, data: Path, *, test: bool) -> list[Family]:
    """Those that a model is tried on; test sets, or what was kept for choosing. ValueError for a model without any."""
    name = checkpoint.card.name
    if name not in FAMILIES:
        raise ValueError(f"there are no families of tasks to try {name} on; there are for {', '.join(FAMILIES)}")
    with torch.inference_mode():
        return FAMILIES[name](checkpoint, data, test)


def _alphabets(checkpoint: Checkpoint, data: Path, test: bool) -> list[Family]:
    assert isinstance(checkpoint.inputs, GlyphInput)
    omniglot = load_omniglot(data, "evaluation") if test else load_omniglot(data, "background").only(VALIDATED)
    found = []
    for alphabet, characters in list(omniglot.characters_by_alphabet().items())[:5]:
        drawings = [
            [checkpoint.inputs(Image.fromarray((1 - image) * np.uint8(255))) for image in omniglot.images[character]]
            for character in characters[:8]
        ]
        found.append(Family(alphabet, [_encoded(checkpoint.learner, rows) for rows in drawings]))
    return found


def _intents(checkpoint: Checkpoint, data: Path, test: bool) -> list[Family]:
    """SNIPS, which was in no training, as one family; or domains of CLINC150's validation split."""
    assert isinstance(checkpoint.inputs, TextInput)
    rows = load_intents(data, "snips" if test else "clinc150")
    if not test:
        rows = [each for each in rows if each.split == "val" and each.domain]
    names = sorted({each.domain or "" for each in rows})[:4]
    found = []
    for name in ["SNIPS"] if test else names:
        texts = by_label([each for each in rows if test or each.domain == name], 40)
        read = [[checkpoint.inputs(text) for text in own] for own in list(texts.values())[:8]]
        found.append(Family(name, [_encoded(checkpoint.learner, own) for own in read]))
    return found


def _vectors(checkpoint: Checkpoint, data: Path, test: bool) -> list[Family]:
    tasks = VectorTasks(64, 6, 8, 8, 10, 10, TAUGHT + ASKED - 5, seed=HELD_OUT if test else KEPT)(0)
    parts = tasks.support.rows.values, tasks.query.values
    both = torch.cat([part.view(len(part), 8, -1, part.shape[-1]) for part in parts], 2)
    return [Family(f"clouds {number}", list(classes)) for number, classes in enumerate(both, start=1)]


def _curves(checkpoint: Checkpoint, data: Path, test: bool) -> list[Family]:
    shots = VALUES_TAUGHT
    tasks = CurveTasks(6, shots, shots, VALUES_ASKED + 10, seed=HELD_OUT if test else KEPT)(0)
    rows = torch.cat([tasks.support.rows.values, tasks.query.values], 1)
    values = torch.cat([tasks.support.target.values, tasks.target.values], 1)  # type: ignore[union-attr]  # regressions
    encoded = [checkpoint.learner.encoder(each) for each in rows]
    return [
        Family(f"curve {number}", [each], own)
        for number, (each, own) in enumerate(zip(encoded, values, strict=True), 1)
    ]


FAMILIES: Mapping[str, Callable[[Checkpoint, Path, bool], list[Family]]] = {
    "glyphs": _alphabets,
    "text": _intents,
    "vectors": _vectors,
    "curves": _curves,
}


def _encoded(learner: Learner, rows: Sequence[np.ndarray]) -> Shaped[Tensor, "R *F"]:
    stacked = torch.from_numpy(np.stack(rows))
    return torch.cat([learner.encoder(part).float() for part in torch.split(stacked, PIECE)])


def _lesson(classes: Sequence[Tensor]) -> Lesson:
    return Lesson(torch.cat(list(classes)), torch.arange(len(classes)).repeat_interleave(len(classes[0])))
