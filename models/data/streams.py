"""Public sets of three modalities as streams of episodes for one model, each split by tasks that no other part has.

Nothing of a test split is trained on or chosen by: Omniglot's evaluation alphabets, whole domains of intents, whole
tables. Sentences and alphabets to validate by are apart from both.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from models.data.episodes import Batch, generator, split_batch
from models.data.named import read_named
from models.data.pools import Classes, PoolEpisodes
from models.data.schema import DataSet, Split
from models.data.small_tables import filled
from models.inputs.mixed import MixedInput

Stream: TypeAlias = Literal["image", "text", "vector", "regression"]
STREAMS: tuple[Stream, ...] = ("image", "text", "vector", "regression")
NUM_DRAWERS = 8  # of each character's twenty: more would only take longer to frame
MAX_TEXTS, MAX_ROWS = 40, 400  # of an intent, of a class or a table
HELD_ALPHABETS = 5  # the last of the background, as for `glyphs`
VAL_DOMAINS, TEST_DOMAINS = ("home", "meta", "iot", "social"), ("credit_cards", "travel", "calendar", "email", "music")
VAL_TABLES = ("iris", "page_blocks", "hepatitis", "stock", "machine_cpu")
TEST_TABLES = ("breast_w", "heart_statlog", "optdigits", "waveform", "wine")
TEST_TABLES_OF_VALUES = ("abalone", "autompg", "bank8FM", "cal_housing", "wine_quality_red")
HELD: Mapping[Split, frozenset[str]] = {  # by the last part of a family's name
    "val": frozenset((*VAL_DOMAINS, *VAL_TABLES)),
    "test": frozenset((*TEST_DOMAINS, "transport", *TEST_TABLES, *TEST_TABLES_OF_VALUES)),
}
LEFT_OUT = frozenset(("tabular_cls/anneal", "tabular_reg/wine_quality_white"))  # mostly missing; a twin of a test table
SETS: Mapping[Stream, Sequence[str]] = {
    "image": ("omniglot",),
    "text": ("clinc150", "hwu64"),
    "vector": ("tabular_cls",),
    "regression": ("tabular_reg",),
}


@dataclass(frozen=True)
class Pool:
    """Rows as the encoder takes them, and which of them are of which family and label."""

    rows: Shaped[Tensor, "B *X"]
    classes: Classes
    targets: Float[Tensor, "B 1"]  # of regression, in units of their table's spread
    licences: tuple[str, ...]

    @property
    def families(self) -> list[str]:
        """Their names, in order."""
        return sorted({family for family, _ in self.classes})


@dataclass(frozen=True)
class TableEpisodes:
    """Regression tasks: some rows of a table to adapt to, others to ask about; tables are drawn alike."""

    pool: Pool
    num_tasks: int = 4
    min_shots: int = 5
    max_shots: int = 40
    queries: int = 20
    seed: int = 0

    def __call__(self, step: int) -> Batch:
        """The tasks of one step, all of the same number of shots."""
        draws, tables = generator(self.seed, step), [*self.pool.classes.values()]
        shots = int(torch.randint(self.min_shots, self.max_shots + 1, (), generator=draws))
        chosen = []
        for _ in range(self.num_tasks):
            rows = torch.tensor(tables[int(torch.randint(len(tables), (), generator=draws))])
            chosen.append(rows[torch.randperm(len(rows), generator=draws)[: shots + self.queries]])
        places = torch.stack(chosen)
        return split_batch(self.pool.rows[places], self.pool.targets[places], shots)


@dataclass(frozen=True)
class Turned:
    """Episodes of drawings, each task seen under one of the square's eight symmetries: other characters to learn."""

    episodes: PoolEpisodes

    def __call__(self, step: int) -> Batch:
        """The tasks of one step."""
        batch, draws = self.episodes(step), generator(self.episodes.seed + 1, step)
        for task in range(batch.num_episodes):
            turns, is_mirrored = torch.randint(0, 4, (2,), generator=draws).tolist()
            for rows in (batch.support.rows, batch.query):
                turned = torch.rot90(rows.values[task], turns, (-2, -1))
                rows.values[task] = turned.flip(-1).clone() if is_mirrored > 1 else turned.clone()
        return batch


@lru_cache(maxsize=16)
def pool_of(data: Path, stream: Stream, part: Split, inputs: MixedInput, share: float = 1.0, seed: int = 0) -> Pool:
    """The rows of one part of a stream; of this share of its tasks, by `seed`: alphabets, intents, tables."""
    sets = [each for name in SETS[stream] for each in read_named(data, name) if each.name not in LEFT_OUT]
    chosen = [_rows_of(each, part) for each in sets]
    names = _some(sorted({key for classes in chosen for key in classes}, key=str), stream, share, seed)
    rows: list[np.ndarray] = []
    targets: list[float] = []
    places: dict[tuple[str, str], list[int]] = {}
    for each, classes in zip(sets, chosen, strict=True):
        kept = [(key, position) for key, found in classes.items() if key in names for position in found]
        made, values = _arrays(each, [position for _, position in kept], inputs)
        for number, (key, _) in enumerate(kept):
            places.setdefault(key, []).append(len(rows) + number)
        rows += made
        targets += values
    licences = tuple(sorted({f"{name} ({each.licence})" for name, each in zip(SETS[stream], sets, strict=False)}))
    return Pool(torch.from_numpy(np.stack(rows)), places, torch.tensor(targets).unsqueeze(-1), licences)


def _rows_of(data: DataSet, part: Split) -> dict[tuple[str, str], list[int]]:
    """Family and label -> rows of this part, as many as are used; of a table the family is its name."""
    found: dict[tuple[str, str], list[int]] = {}
    trained = [each.family for each in data.examples if each.split == "train"]
    last = list(dict.fromkeys(trained))[-HELD_ALPHABETS:] if data.modality == "image" else []
    for position, example in enumerate(data.examples):
        family = data.name if data.modality == "vector" else example.family
        if data.modality == "image":
            own: Split = "val" if example.family in last else example.split
        else:
            own = next((split for split, names in HELD.items() if family.split("/")[-1] in names), "train")
        is_fit = data.modality != "text" or (example.split == "test") == (part == "test")
        if own == part and is_fit:
            found.setdefault((family, example.label), []).append(position)
    return {key: _spread(rows, data.modality) for key, rows in found.items()}


def _spread(rows: list[int], modality: str) -> list[int]:
    """As many as are used, from all over a class."""
    most = {"image": NUM_DRAWERS, "text": MAX_TEXTS, "vector": MAX_ROWS}[modality]
    return rows if len(rows) <= most else [rows[int(place)] for place in np.linspace(0, len(rows) - 1, most)]


def _some(names: list[tuple[str, str]], stream: Stream, share: float, seed: int) -> set[tuple[str, str]]:
    """A share of the tasks: of the alphabets and tables by name, of the intents one by one; never fewer than needed."""
    if share >= 1:
        return set(names)
    units = sorted({family for family, _ in names}) if stream != "text" else [f"{f}/{label}" for f, label in names]
    order = torch.randperm(len(units), generator=generator(seed, STREAMS.index(stream))).tolist()
    kept = {units[place] for place in order[: max(1, round(share * len(units)))]}
    return {(f, label) for f, label in names if (f if stream != "text" else f"{f}/{label}") in kept}


def _arrays(data: DataSet, positions: Sequence[int], inputs: MixedInput) -> tuple[list[np.ndarray], list[float]]:
    """Rows as the encoder takes them, and targets in units of their spread over the table."""
    if not positions:
        return [], []
    examples = [data.examples[position] for position in positions]
    if data.modality == "image":
        return [inputs.glyph((1 - np.asarray(each.input)) * np.uint8(255)) for each in examples], [0.0] * len(examples)
    if data.modality == "text":
        return [inputs.text(str(each.input)) for each in examples], [0.0] * len(examples)
    columns = filled(np.array([each.input for each in examples], np.float32))
    values = np.array([each.target or (0.0,) for each in examples])[:, 0]
    values = (values - values.mean()) / (values.std() or 1.0)
    padded = np.pad(columns, ((0, 0), (0, inputs.max_dim - columns.shape[1])))
    return list(padded.astype(np.float32)), values.astype(np.float32).tolist()
