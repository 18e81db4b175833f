"""Tasks to fit an appraisal to, by model: of classes that the model, or a twin of it, was not trained on."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.checkpoint import Checkpoint, load
from models.data.absent import AbsentDataSet
from models.data.episodes import full_rows, generator
from models.data.intents import by_label, trainable
from models.data.omniglot import load_omniglot
from models.data.synthetic import CurveTasks, VectorTasks
from models.inputs.text import TextInput
from models.training.appraisal import Asked, Pool, Source, mistaken, shot_counts
from models.types import Classes, Support, Values

SEED = 71  # of no training and no figure
MAX_TEXTS = 30  # of an intent
MIN_ROWS = 12  # of a class of a table
NUM_ALPHABETS, NUM_PAIRS = 12, 12


@dataclass(frozen=True)
class Fitting:
    """A model's tasks, how many, and for its card what they are."""

    source: Source
    num_tasks: int
    told: str


def vectors(checkpoint: Checkpoint, data: Path, twin: Path | None) -> Fitting:
    """Synthetic tasks of a seed of their own."""
    made = VectorTasks(checkpoint.inputs.shape[0])

    def source(number: int) -> Asked:
        draw = generator(SEED, number)
        ways = 2 + int(torch.randint(9, (), generator=draw))
        shots = shot_counts(draw, ways, 20)
        rows = made._task(draw, ways, max(shots) + 30)
        taught = torch.cat([torch.full((num,), way) for way, num in enumerate(shots)])
        support = torch.cat([rows[way, :num] for way, num in enumerate(shots)]).unsqueeze(0)
        target = Classes(mistaken(taught, ways, draw).unsqueeze(0), torch.ones(1, ways, dtype=torch.bool))
        query = full_rows(rows[:, max(shots) :].flatten(0, 1).unsqueeze(0))
        return Asked(
            f"synthetic {number // 2 % 10}",
            Support(full_rows(support), target),
            query,
            torch.arange(ways).repeat_interleave(30),
        )

    pool = Pool(*tables(data, checkpoint.inputs.shape[0], of_figures=False), max_queries=30, seed=SEED)
    both: Source = lambda number: pool(number) if number % 2 else source(number)  # noqa: E731
    return Fitting(both, 1600, f"synthetic tasks of a seed of their own, and the tables {', '.join(pool.groups)}")


def tables(data: Path, width: int, *, of_figures: bool) -> tuple[Tensor, dict[str, list[Tensor]]]:
    """Small tables, a group each, those that figures are given for or the others; which is drawn by their names."""
    rows: list[np.ndarray] = []
    groups: dict[str, list[Tensor]] = {}
    for path in sorted((data / "tabular_cls").glob("*.npz")):
        if (hashlib.sha256(path.stem.encode()).digest()[0] % 2 == 1) != of_figures:
            continue
        with np.load(path) as table:
            values, truth = table["X"].astype(np.float32), table["y"].astype(np.int64)
        values = np.where(np.isnan(values).all(0), 0, values)[:, :width]
        values = np.where(np.isnan(values), np.nanmedian(values, 0), values).astype(np.float32)
        done = sum(map(len, rows))
        groups[path.stem] = [
            done + torch.from_numpy(np.flatnonzero(truth == label))
            for label in np.unique(truth)
            if (truth == label).sum() >= MIN_ROWS
        ]
        rows.append(np.pad(values, ((0, 0), (0, width - values.shape[1]))))
    if not rows:
        raise AbsentDataSet("tabular_cls", data / "tabular_cls")
    return torch.from_numpy(np.concatenate(rows)), groups


def curves(checkpoint: Checkpoint, data: Path, twin: Path | None) -> Fitting:
    """Synthetic curves of a seed of their own."""

    def source(number: int) -> Asked:
        shots = 3 + int(torch.randint(28, (), generator=generator(SEED, number)))
        batch = CurveTasks(num_tasks=1, min_shots=shots, max_shots=shots, queries=100, seed=SEED)(number)
        assert isinstance(batch.target, Values)
        with torch.inference_mode():
            support, query = (
                rows.with_values(checkpoint.learner.encoder(rows.flat()[0]))
                for rows in (batch.support.rows, batch.query)
            )
        return Asked(f"synthetic {number % 30}", Support(support, batch.support.target), query, batch.target.values[0])

    return Fitting(source, 1500, "synthetic curves of a seed of their own")


def text(checkpoint: Checkpoint, data: Path, twin: Path | None) -> Fitting:
    """Intents of CLINC150's training split, by domain, as a twin sees them that has never seen that set."""
    if twin is None:
        raise ValueError("text needs --twin: the folder of `kshot train text --set left_out=clinc150`")
    utterances = trainable(data, "clinc150")
    domains = {each.intent: str(each.domain) for each in utterances}
    texts = by_label(utterances, MAX_TEXTS)
    read = checkpoint.inputs
    rows = np.stack([read(each) for own in texts.values() for each in own])  # type: ignore[arg-type]
    features = encoded(load(twin), torch.from_numpy(rows))
    groups: dict[str, list[Tensor]] = {}
    for intent, positions in zip(texts, positions_of([len(own) for own in texts.values()]), strict=True):
        groups.setdefault(domains[intent], []).append(positions)
    whole = [positions for own in groups.values() for positions in own[::2]]
    return Fitting(
        Pool(features, {**groups, "all domains": whole}, max_shots=15, seed=SEED),
        1100,
        "CLINC150 train by domain, by a twin that was not trained on CLINC150",
    )


def glyphs(checkpoint: Checkpoint, data: Path, twin: Path | None) -> Fitting:
    """Pairs of characters of an alphabet side by side, which make classes that the model has never seen."""
    omniglot = load_omniglot(data, "background")
    draw = generator(SEED, 0)
    images, groups, done = [], {}, 0
    alphabets = list(omniglot.characters_by_alphabet().items())
    for name, members in alphabets[:: max(1, len(alphabets) // NUM_ALPHABETS)]:
        few = members[torch.randperm(len(members), generator=draw)[:5].numpy()]
        pairs = [(one, other) for one in few for other in few if one != other][:NUM_PAIRS]
        for one, other in pairs:
            images += [_beside(*each) for each in zip(omniglot.images[one], omniglot.images[other], strict=True)]
        groups[name] = [done + 20 * place + torch.arange(20) for place in range(len(pairs))]
        done += 20 * len(pairs)
    rows = torch.from_numpy(np.stack([checkpoint.inputs(image) for image in images]))  # type: ignore[arg-type]
    pool = Pool(encoded(checkpoint, rows), groups, max_shots=10, max_queries=10, seed=SEED)
    return Fitting(pool, 1100, "pairs of characters of Omniglot background side by side, which are new to the model")


def _beside(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Two drawings of ink 1 as one picture of paper 255."""
    return ((1 - np.concatenate([one, other], 1)) * 255).astype(np.uint8)


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


SOURCES: Mapping[str, Callable[[Checkpoint, Path, Path | None], Fitting]] = {
    "vectors": vectors,
    "curves": curves,
    "text": text,
    "glyphs": glyphs,
}
