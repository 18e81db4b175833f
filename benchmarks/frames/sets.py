"""The sets, with what the base makes of their words; which texts are shown and which are asked about."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from models.data.episodes import Batch
from models.data.frames import Frame, FrameSet, read, task_of
from models.encoders.words import Words
from models.inputs.frame import FrameInput
from models.training.frames import frozen, pooled
from models.types import Classes, Tags

ROWS = 500  # that the base reads at once
POOL = 2000  # texts of SNIPS's train split that draws are of

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Content:
    """A set: its frames with frozen states and with the base's features, and which may be shown and asked about."""

    frames: FrameSet
    plain: FrameSet
    shown: npt.NDArray[np.bool_]
    asked: npt.NDArray[np.bool_]
    reads: str
    names: tuple[str, ...]  # of the intents

    def draw(self, shots: int, number: int, queries: int | None) -> tuple[Batch, Batch]:
        """A task of all intents, for the model and for the others; nobody is asked what was shown."""
        draws = np.random.default_rng([number, shots])
        intents, support, query = self.frames.intents.numpy(), [], []
        for intent in np.unique(intents):
            order = draws.permutation(np.flatnonzero((intents == intent) & self.shown))
            support += order[:shots].tolist()
            rest = np.setdiff1d(np.flatnonzero((intents == intent) & self.asked), order[:shots])
            query += draws.permutation(rest)[:queries].tolist()
        return self._tasks(np.unique(intents).tolist(), np.array(support), np.array(query))

    def episode(self, intent: int, shots: int, number: int) -> tuple[Batch, Batch]:
        """A task of one intent whose every slot is shown so often at least, asked about all of the intent's texts."""
        draws = np.random.default_rng([number, shots, intent])
        own = self.frames.intents.numpy() == intent
        taught = np.flatnonzero(own & self.shown)
        slots = [_slots(self.frames.slots[row].numpy()) for row in taught]
        support = taught[minimum_including(slots, shots, draws)]
        task, plain = self._tasks([intent], support, np.flatnonzero(own & self.asked))
        return _padded(task), _padded(plain)

    def _tasks(self, intents: list[int], support: Rows, query: Rows) -> tuple[Batch, Batch]:
        rows = torch.from_numpy(support), torch.from_numpy(query)
        own, plain = (task_of(frames, intents, *rows) for frames in (self.frames, self.plain))
        return own, plain


def minimum_including(slots: Sequence[Counter[int]], shots: int, draws: np.random.Generator) -> list[int]:
    """Places of texts that hold each slot so often at least, and too rarely without any of them (Hou et al. 2020).

    Texts are added slot by slot, the rarest slot first, until all are there; then those without which all still would
    be are taken away. A slot that is in fewer texts is there as often as can be.
    """
    total: Counter[int] = sum(slots, Counter())
    wanted = {slot: min(shots, num) for slot, num in total.items()}
    held: Counter[int] = Counter()
    chosen: list[int] = []
    for slot in sorted(wanted, key=lambda each: (total[each], each)):
        for place in draws.permutation(len(slots)).tolist():
            if held[slot] >= wanted[slot]:
                break
            if slots[place][slot] and place not in chosen:
                chosen.append(place)
                held += slots[place]
    for place in draws.permutation(chosen).tolist():
        if all(held[slot] - num >= wanted[slot] for slot, num in slots[place].items()):
            chosen.remove(place)
            held -= slots[place]
    return chosen


def content(frames: Sequence[Frame], shown: np.ndarray, asked: np.ndarray, reads: str) -> Content:
    """What the base makes of these frames, once."""
    base = Words().eval()
    made = frozen(base, FrameInput(), frames)
    with torch.inference_mode():
        plain = torch.cat([pooled(base, made.features[start : start + ROWS]) for start in range(0, len(frames), ROWS)])
    names = tuple(sorted({frame.intent for frame in frames}))
    return Content(made, replace(made, features=plain), shown, asked, reads, names)


def snips(data: Path) -> Content:
    """SNIPS: shown from its train split, thinned to what draws need, asked from its test split."""
    train, test = read("snips", data, "train"), read("snips", data, "test")
    order = np.random.default_rng(0).permutation(len(train))[:POOL]
    everything = [*(train[place] for place in order), *test]
    shown = np.arange(len(everything)) < len(order)
    return content(everything, shown, ~shown, "SNIPS, the test split, 700 texts")


def sgd(data: Path) -> Content:
    """The services of SGD's dev split that its train split does not have."""
    known = {frame.domain for frame in read("sgd", data, "train")}
    new: list[Frame] = [frame for frame in read("sgd", data, "dev") if frame.domain not in known]
    services = ", ".join(sorted({frame.domain for frame in new}))
    whole = np.ones(len(new), np.bool_)
    return content(new, whole, whole, f"SGD, of the dev split: {services}")


SETS: dict[str, Callable[[Path], Content]] = {"snips": snips, "sgd": sgd}


def _slots(tags: npt.NDArray[np.int64]) -> Counter[int]:
    """How often each slot begins among the words."""
    return Counter(((tags[tags % 2 == 1] + 1) // 2).tolist())


def _padded(batch: Batch) -> Batch:
    """With a second way that the task does not have: heads compare the two best ones."""
    taught, asked = batch.support.target, batch.target
    assert isinstance(taught, Tags)
    assert isinstance(asked, Tags)
    ways = torch.tensor([[True, False]])
    both = [replace(each, intents=Classes(each.intents.index, ways)) for each in (taught, asked)]
    return Batch(replace(batch.support, target=both[0]), batch.query, both[1])
