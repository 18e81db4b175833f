"""Small tasks that anything can learn, as ragged lists and as padded batches: what the laws are tested on."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int64, Shaped
from torch import Tensor

from models.types import Classes, Rows, Support, Values


@dataclass(frozen=True)
class Task:
    """One task without padding: support and query inputs, targets as class indices or as values [S, O]."""

    support: Shaped[Tensor, "S *X"]
    targets: Shaped[Tensor, "S *O"]
    query: Shaped[Tensor, "Q *X"]
    answers: Shaped[Tensor, "Q *O"]

    @property
    def ways(self) -> int:
        """Number of classes; zero for regression."""
        return 0 if self.targets.is_floating_point() else int(self.targets.max()) + 1


def vector_task(seed: int, ways: int = 3, shots: int = 4, dim: int = 6) -> Task:
    """Clouds of points around one centre a class."""
    draw = torch.Generator().manual_seed(seed)
    centres = 2 * torch.randn(ways, dim, generator=draw)
    return _classes(seed, centres, 0.6, ways, shots)


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
    ways = torch.tensor([task.ways for task in tasks]).unsqueeze(1)
    return Support(rows, Classes(targets.to(device), (torch.arange(int(ways.max()) + extra) < ways).to(device)))


def rows_of(each: Sequence[Shaped[Tensor, "R *X"]], extra: int = 0, device: str = "cpu") -> Rows:
    """Rows of several tasks as one batch; what padding holds is junk on purpose."""
    length = max(map(len, each)) + extra
    mask = torch.arange(length) < torch.tensor([len(rows) for rows in each]).unsqueeze(1)
    values = _padded(list(each), length, junk=3)
    return Rows(values.to(device), mask.to(device), mask.flatten().nonzero().squeeze(1).to(device))


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


def _grey(drawings: Shaped[Tensor, "R H W"]) -> Shaped[Tensor, "R H W"]:
    return (drawings.clamp(0, 1) * 255).to(torch.uint8)
