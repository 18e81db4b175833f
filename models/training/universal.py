"""The recipe of `universal`: images, texts and vectors by one trunk, labels and numbers by one product of heads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch

from models.card import Card, Part
from models.checkpoint import build
from models.data.episodes import Batch
from models.data.pools import PoolEpisodes
from models.data.schema import Split
from models.data.streams import STREAMS, Pool, Stream, TableEpisodes, Turned, pool_of
from models.inputs.mixed import MixedInput
from models.training.measure_streams import validated
from models.training.objectives.blended import Blended
from models.training.train import Run

MODALITIES: Mapping[str, Sequence[Stream]] = {
    "image": ("image",),
    "text": ("text",),
    "vector": ("vector", "regression"),
}


@dataclass(frozen=True)
class Streams:
    """A batch of each stream a step, alike in size whatever the number of streams."""

    episodes: Mapping[str, Any]

    def __call__(self, step: int) -> dict[str, Batch]:
        """The batches of one step."""
        return {name: each(step) for name, each in self.episodes.items()}


def universal(
    data: Path,
    only: str = "",
    share: float = 1.0,
    weights: str = "fixed",
    image: float = 3.0,
    text: float = 1.0,
    vector: float = 1.0,
    regression: float = 1.0,
    num_steps: int = 400,
    rate: float = 1e-3,
    channels: int = 64,
    width: int = 128,
    hidden: int = 512,
    weight_decay: float = 1e-3,
    seed: int = 0,
) -> Run:
    """Episodes of every stream at each step, their losses weighted: `image` to `regression` are the fixed weights.

    `only` trains the same network on one modality, `share` on a share of the tasks: what it is compared with;
    `seed` is that of the first weights, the episodes, and which tasks are in a share.
    """
    if only and only not in MODALITIES:
        raise ValueError(f"only takes {', '.join(MODALITIES)}, not {only!r}")
    torch.manual_seed(seed)
    streams = MODALITIES[only] if only else STREAMS
    inputs, given = MixedInput(), {"image": image, "text": text, "vector": vector, "regression": regression}
    pools: dict[str, Pool] = {stream: pool_of(data, stream, "train", inputs, share, seed) for stream in streams}
    card = _card(*parts(channels, width, hidden, inputs.max_dim), _told(pools, only, share, num_steps, seed))
    return Run(
        card=card,
        learner=build(card.encoder, card.head),
        objective=Blended(streams, weights, {name: given[name] for name in streams}),
        batches=Streams({stream: _episodes(stream, pool, seed) for stream, pool in pools.items()}),
        num_steps=num_steps,
        rate=rate,
        optimiser="adamw",
        warmup_steps=num_steps // 20,
        weight_decay=weight_decay,
        max_norm=2.0,
        seed=seed,
        validate=partial(validated, held_out(data, streams, "val", inputs)),
        validate_steps=num_steps,
    )


def parts(channels: int, width: int, hidden: int, columns: int) -> tuple[Part, Part]:
    """Encoder and head: stems, then in the head the units of the task, the trunk, and a head for either kind."""
    encoder = {
        "name": "stems",
        "image": {"name": "conv4", "channels": channels, "strided": True},
        "text": {"name": "bag", "width": width},
        "image_width": channels,
        "text_width": width,
        "width": width,
        "columns": columns,
    }
    trunk = {"name": "trunk", "columns": columns, "width": width, "hidden": hidden, "out": width}
    values = {"name": "bayesian_linear", "width": columns + 2 * width, "rank": 24, "noises": [0.2, 0.6]}
    both = {"name": "both", "classes": {"name": "ridge", "normalise": "none", "penalty": 0.3}, "values": values}
    return encoder, {"name": "in_own_units", "columns": columns, "body": trunk, "head": both}


def held_out(data: Path, streams: Sequence[str], part: Split, inputs: MixedInput) -> dict[str, Pool]:
    """What is validated by, or measured on, of these streams."""
    return {stream: pool_of(data, cast(Stream, stream), part, inputs) for stream in streams}


def _episodes(stream: str, pool: Pool, seed: int) -> Any:
    if stream == "regression":
        return TableEpisodes(pool, seed=seed)
    if stream == "vector":
        return PoolEpisodes(pool.rows, pool.classes, num_tasks=8, max_ways=4, max_shots=10, seed=seed, alike=True)
    tasks = PoolEpisodes(pool.rows, pool.classes, num_tasks=3, max_ways=10, max_shots=5, max_queries=3, seed=seed)
    return Turned(tasks) if stream == "image" else tasks


def _card(encoder: Part, head: Part, told: Mapping[str, Any]) -> Card:
    return Card(
        name="universal",
        modality="mixed",
        kinds=("classification", "regression"),
        inputs={"name": "mixed"},
        encoder=encoder,
        head=head,
        created_at="",
        card=told,
        several=("image", "text", "vector"),
    )


def _told(pools: Mapping[str, Pool], only: str, share: float, num_steps: int, seed: int) -> dict[str, Any]:
    """For the card: what it was trained on, and what it may be used for."""
    asked = (("only", only, ""), ("share", share, 1.0), ("seed", seed, 0))
    chosen = "".join(f" --set {key}={value}" for key, value, usual in asked if value != usual)
    licences = sorted({licence for pool in pools.values() for licence in pool.licences})
    return {
        "recipe": f"kshot train universal{chosen} ({num_steps} steps, {__name__})",
        "inputs": "drawn characters, English sentences (no word order), or up to 64 numbers, in any units; all alike",
        "split": "test alphabets, domains and tables are in no training: models.data.streams",
        "data": {name: ", ".join(pool.families) for name, pool in pools.items()},
        "regression": "trained on vectors alone; of images and texts it is untried",
        "base": "embeddings of sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0), not contained",
        "licence": f"Apache-2.0; trained on {', '.join(licences)}",
    }
