"""Tasks to fit an appraisal to, by model: of classes that the model, or a twin of it, was not trained on."""

from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from models.checkpoint import Checkpoint
from models.data.episodes import generator
from models.data.omniglot import DRAWERS, load_omniglot
from models.data.small_tables import SmallTable, filled, names_of, read_table
from models.data.synthetic import CurveTasks, VectorTasks
from models.inputs.image import GlyphInput
from models.training.appraisals.cells import cut
from models.training.appraisals.cells import tables as rows_of_tables
from models.training.appraisals.fitting import APART, MADE
from models.training.appraisals.judging import Asked, Source
from models.training.appraisals.mixed import universal
from models.training.appraisals.numbers import universal as universal_numbers
from models.training.appraisals.photographs import photos
from models.training.appraisals.pools import SEED, Fitting, Pool, encoded, mistaken, positions_of, shot_counts
from models.training.appraisals.sentences import text
from models.types import Classes, Support, Values, full_rows

MIN_ROWS = 12  # of a class of a table
MAX_SHOTS = 50  # of a task of a table
MADE_UP = 5  # one task in so many is
NUM_PAIRS, NUM_SLANTED = 12, 12


def vectors(checkpoint: Checkpoint, data: Path, twin: Path | None) -> Fitting:
    """Real tables, numbers to be told cut into classes; one task in five is synthetic, of a seed of their own."""
    width = checkpoint.inputs.shape[0]
    made, known = VectorTasks(width), {**_named(data, of_figures=False), **cut(data)}
    pool = Pool(*columns(known, width), max_shots=MAX_SHOTS, max_queries=60, seed=SEED)
    source: Source = lambda number: pool(number) if number % MADE_UP else made_up(made, number // MADE_UP)  # noqa: E731
    return Fitting(source, 2400, f"synthetic tasks of a seed of their own, and the tables {', '.join(known)}")


def made_up(made: VectorTasks, number: int) -> Asked:
    """A synthetic task, some of its labels wrong."""
    draw = generator(SEED, number)
    ways = 2 + int(torch.randint(9, (), generator=draw))
    shots = shot_counts(draw, ways, 20)
    rows = made._task(draw, ways, max(shots) + 30)
    taught = torch.cat([torch.full((num,), way) for way, num in enumerate(shots)])
    support = full_rows(torch.cat([rows[way, :num] for way, num in enumerate(shots)]).unsqueeze(0))
    told = mistaken(taught, ways, draw)
    target = Classes(told.unsqueeze(0), torch.ones(1, ways, dtype=torch.bool))
    query = full_rows(rows[:, max(shots) :].flatten(0, 1).unsqueeze(0))
    truth, wrong = torch.arange(ways).repeat_interleave(30), (told != taught).nonzero().flatten().tolist()
    return Asked(f"{MADE} {number % 10}", Support(support, target), query, truth, wrong)


def tables(data: Path, width: int, *, of_figures: bool) -> tuple[Tensor, dict[str, list[Tensor]]]:
    """Small tables, a group each, those that figures are given for or the others; which is drawn by their names."""
    return columns(_named(data, of_figures=of_figures), width)


def _named(data: Path, *, of_figures: bool) -> dict[str, tuple[SmallTable, npt.NDArray[np.int64]]]:
    own = [name for name in names_of("tabular_cls") if (sha256(name.encode()).digest()[0] % 2 == 1) == of_figures]
    found = {name: read_table(data, "tabular_cls", name) for name in own}
    return {name: (table, table.targets.astype(np.int64)) for name, table in found.items()}


def columns(
    found: Mapping[str, tuple[SmallTable, npt.NDArray[np.int64]]], width: int
) -> tuple[Tensor, dict[str, list[Tensor]]]:
    """Of tables and the class of each row: as many numbers a row, and which rows are of which class."""
    rows: list[np.ndarray] = []
    groups: dict[str, list[Tensor]] = {}
    for name, (table, classes) in found.items():
        values, done = filled(table.values[:, :width]).astype(np.float32), sum(map(len, rows))
        members = [np.flatnonzero(classes == label) for label in np.unique(classes)]
        groups[name] = [done + torch.from_numpy(each) for each in members if len(each) >= MIN_ROWS]
        rows.append(np.pad(values, ((0, 0), (0, width - values.shape[1]))))
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


def glyphs(checkpoint: Checkpoint, data: Path, twin: Path | None) -> Fitting:
    """Classes that the model has never seen, of characters that it has: pairs of them, and apart some on a slant."""
    omniglot, draw = load_omniglot(data, "background"), generator(SEED, 0)
    images: list[np.ndarray] = []
    groups: dict[str, list[Tensor]] = {}
    for name, members in omniglot.characters_by_alphabet().items():
        few = members[torch.randperm(len(members), generator=draw)[:NUM_SLANTED].numpy()]
        pairs = [(one, other) for one in few[:5] for other in few[:5] if one != other][:NUM_PAIRS]
        is_slanted = len(groups) % 2
        made = (
            [_slanted(omniglot.images[one]) for one in few]
            if is_slanted
            else [
                [_beside(*each) for each in zip(omniglot.images[one], omniglot.images[other], strict=True)]
                for one, other in pairs
            ]
        )
        places = positions_of([DRAWERS] * len(made))
        groups[f"{APART if is_slanted else ''}{name}"] = [len(images) + place for place in places]
        images += [image for own in made for image in own]
    read = checkpoint.inputs
    assert isinstance(read, GlyphInput)
    rows = torch.from_numpy(np.stack([read(image) for image in images]))
    pool = Pool(encoded(checkpoint, rows), groups, max_shots=10, max_queries=15, seed=SEED)
    told = "characters of Omniglot background side by side, or turned by 45 degrees, which are new to the model"
    return Fitting(pool, 1300, told)


def _beside(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Two drawings of ink 1 as one picture of paper 255."""
    return _on_paper(np.concatenate([one, other], 1))


def _slanted(drawings: np.ndarray) -> list[np.ndarray]:
    pictures = [Image.fromarray(_on_paper(each)) for each in drawings]
    turned = [each.rotate(45, Image.Resampling.BILINEAR, expand=True, fillcolor=255) for each in pictures]
    return [np.asarray(each) for each in turned]


def _on_paper(drawing: np.ndarray) -> np.ndarray:
    return ((1 - drawing) * 255).astype(np.uint8)


SOURCES: Mapping[str, Callable[[Checkpoint, Path, Path | None], Fitting]] = {
    "vectors": vectors,
    "curves": curves,
    "text": text,
    "glyphs": glyphs,
    "photos": photos,
    "tables": rows_of_tables,
    "universal": universal,
}
OF_NUMBERS: Mapping[str, Callable[[Checkpoint, Path, Path | None], Fitting]] = {"universal": universal_numbers}
