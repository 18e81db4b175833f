"""Small tasks that anything can learn, as ragged lists and as padded batches: what the laws are tested on."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int64, Shaped
from torch import Tensor

from models.types import Classes, Rows, Support, Tags, Values


@dataclass(frozen=True)
class Task:
    """One task without padding: support and query inputs, targets as class indices or as values [S, O].

    Frames have a tag for each word beside the class, see models.types.Tags.
    """

    support: Shaped[Tensor, "S *X"]
    targets: Shaped[Tensor, "S *O"]
    query: Shaped[Tensor, "Q *X"]
    answers: Shaped[Tensor, "Q *O"]
    tags: Int64[Tensor, "S L"] | None = None

    @property
    def ways(self) -> int:
        """Number of classes; zero for regression."""
        return 0 if self.targets.is_floating_point() else int(self.targets.max()) + 1

    @property
    def slots(self) -> int:
        """Number of slots, the outside among them; zero where there are no tags."""
        return 0 if self.tags is None else int(self.tags.max() + 1) // 2 + 1


def vector_task(seed: int, ways: int = 3, shots: int = 4, dim: int = 6) -> Task:
    """Clouds of points around one centre a class."""
    draw = torch.Generator().manual_seed(seed)
    centres = 2 * torch.randn(ways, dim, generator=draw)
    return _classes(seed, centres, 0.6, ways, shots)


def table_task(seed: int, ways: int = 3, shots: int = 6) -> Task:
    """The clouds of vector_task as cells: two columns in large units, the last one of words, and some missing."""
    task = vector_task(seed + 9, ways, shots)

    def cells(rows: Shaped[Tensor, "R D"]) -> Shaped[Tensor, "R L 3"]:
        numbers = torch.stack([torch.full_like(rows, 2), rows * torch.tensor([1.0, 1e4, 1e-3, 1, 1, 1]), 0 * rows], -1)
        numbers[:, -1] = torch.stack([torch.full_like(rows[:, 0], 3), rows[:, -1].round(), 0 * rows[:, 0]], -1)
        numbers[::5, 2] = torch.tensor([1.0, 0, 0])
        return numbers

    return Task(cells(task.support), task.targets, cells(task.query), task.answers)


def glyph_task(seed: int, ways: int = 3, shots: int = 2, size: int = 28) -> Task:
    """Noisy copies of one hatching a class, each with a slope and width of its own, grey levels of 0 to 255."""
    angle = torch.arange(ways) * torch.pi / ways + seed
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    drawings = (0.9 * (angle.cos()[:, None, None] * x + angle.sin()[:, None, None] * y)).sin() / 2 + 0.5
    task = _classes(seed, drawings, 0.1, ways, shots)
    return Task(_grey(task.support), task.targets, _grey(task.query), task.answers)


def text_task(seed: int, ways: int = 3, shots: int = 3) -> Task:
    """Rows of token ids: two words of the class's own among words that say nothing, then padding."""
    draw = torch.Generator().manual_seed(seed)
    own = torch.randint(2000, 9000, (ways, 2), generator=draw)

    def texts(labels: Int64[Tensor, "R"]) -> Shaped[Tensor, "R L"]:
        words = torch.cat([own[labels], torch.randint(2000, 9000, (len(labels), 4), generator=draw)], 1)
        words[torch.arange(6) >= torch.randint(3, 7, (len(labels), 1), generator=draw)] = 0
        return words.int()

    targets, answers = torch.arange(ways).repeat(shots), torch.arange(ways).repeat(5)
    return Task(texts(targets), targets, texts(answers), answers)


def photo_task(seed: int, ways: int = 3, shots: int = 2, size: int = 32) -> Task:
    """Small colour pictures: four by four patches in colours of the class's own, with noise, in bytes."""
    task = vector_task(seed, ways, shots, dim=4 * 4 * 3)

    def pictures(rows: Shaped[Tensor, "R D"]) -> Shaped[Tensor, "R H W 3"]:
        patches = (rows * 40 + 127).clamp(0, 255).byte().view(-1, 4, 4, 3)
        return patches.repeat_interleave(size // 4, 1).repeat_interleave(size // 4, 2)

    return Task(pictures(task.support), task.targets, pictures(task.query), task.answers)


def frame_task(seed: int, ways: int = 3, shots: int = 4, dim: int = 8) -> Task:
    """Features of texts: four rows of the sentence, then up to six words; the slot of the intent is the second on."""
    draw = torch.Generator().manual_seed(seed)
    centres, own = torch.randn(ways, 4, dim, generator=draw), torch.randn(ways + 1, dim, generator=draw)

    def texts(labels: Int64[Tensor, "R"], lengths: Int64[Tensor, "R"]) -> tuple[Tensor, Tensor]:
        tags = torch.zeros(len(labels), 6, dtype=torch.int64)
        tags[:, 1], tags[:, 2] = 2 * labels + 1, 2 * labels + 2
        rows = torch.cat([centres[labels], own[(tags + 1) // 2]], 1)
        rows = rows + 0.3 * torch.randn(rows.shape, generator=draw)
        rows[torch.arange(10) >= lengths.unsqueeze(1) + 4] = 0
        return rows, tags

    targets, answers = torch.arange(ways).repeat(shots), torch.arange(ways).repeat(5)
    support, tags = texts(targets, torch.randint(3, 7, targets.shape, generator=draw))
    return Task(support, targets, texts(answers, answers % 2 + 5)[0], answers, tags)


def word_task(seed: int, ways: int = 3, shots: int = 3) -> Task:
    """The texts of text_task as a FrameInput has them: the two words of an intent are its slot."""
    task = text_task(seed, ways, shots)
    tags = torch.zeros(len(task.support), 60, dtype=torch.int64)
    tags[:, 0], tags[:, 1] = 2 * task.targets + 1, 2 * task.targets + 2
    return Task(_words(task.support), task.targets, _words(task.query), task.answers, tags)


def curve_task(seed: int, ways: int = 2, shots: int = 4) -> Task:
    """Straight lines in one variable, two outputs, `ways` times `shots` noisy points."""
    draw = torch.Generator().manual_seed(seed)
    slope, offset = torch.randn(2, 1, 2, generator=draw)
    inputs = 10 * torch.rand(ways * shots + 7, 1, generator=draw) - 5
    values = inputs * slope + offset + 0.1 * torch.randn(len(inputs), 2, generator=draw)
    return Task(inputs[7:], values[7:], inputs[:7], values[:7])


def support_of(tasks: Sequence[Task], extra: int = 0, device: str = "cpu") -> Support:
    """The tasks' support as one batch, padded to the longest and the most ways, and `extra` beyond."""
    rows = rows_of([task.support for task in tasks], extra, device)
    targets = _padded([task.targets for task in tasks], rows.mask.shape[1])
    if targets.is_floating_point():
        return Support(rows, Values(targets.to(device)))
    classes = Classes(targets.to(device), _real([task.ways for task in tasks], extra).to(device))
    tags = [task.tags for task in tasks if task.tags is not None]
    if not tags:
        return Support(rows, classes)
    words = _padded(tags, rows.mask.shape[1]).to(device)
    return Support(rows, Tags(classes, words, _real([task.slots for task in tasks], extra).to(device)))


def rows_of(each: Sequence[Shaped[Tensor, "R *X"]], extra: int = 0, device: str = "cpu") -> Rows:
    """Rows of several tasks as one batch; what padding holds is junk on purpose."""
    length = max(map(len, each)) + extra
    mask = torch.arange(length) < torch.tensor([len(rows) for rows in each]).unsqueeze(1)
    values = _padded(list(each), length, junk=3)
    return Rows(values.to(device), mask.to(device), mask.flatten().nonzero().squeeze(1).to(device))


def _real(counts: Sequence[int], extra: int) -> Bool[Tensor, "T N"]:
    return torch.arange(max(counts) + extra) < torch.tensor(counts).unsqueeze(1)


def _padded(each: Sequence[Shaped[Tensor, "R *X"]], length: int, junk: int = 0) -> Shaped[Tensor, "T L *X"]:
    batch = torch.full((len(each), length, *each[0].shape[1:]), junk, dtype=each[0].dtype)
    for row, values in zip(batch, each, strict=True):
        row[: len(values)] = values
    return batch


def _classes(seed: int, centres: Shaped[Tensor, "N *X"], noise: float, ways: int, shots: int) -> Task:
    draw = torch.Generator().manual_seed(seed + 1)

    def around(labels: Int64[Tensor, "R"]) -> Shaped[Tensor, "R *X"]:
        return centres[labels] + noise * torch.randn(len(labels), *centres.shape[1:], generator=draw)

    targets = torch.arange(ways).repeat(shots)
    answers = torch.arange(ways).repeat(5)
    return Task(around(targets), targets, around(answers), answers)


def _words(ids: Shaped[Tensor, "R L"]) -> Shaped[Tensor, "R L 5"]:
    number = torch.where(ids > 0, torch.arange(1, ids.shape[1] + 1), 0)
    return torch.stack([ids, number, number, number, 128 * (number > 0)], -1).int()


def _grey(drawings: Shaped[Tensor, "R H W"]) -> Shaped[Tensor, "R H W"]:
    return (drawings.clamp(0, 1) * 255).to(torch.uint8)
