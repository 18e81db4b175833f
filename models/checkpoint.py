"""A learner on disk: model.json says how to rebuild it from the tables, weights.safetensors holds its weights."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes

from models.card import DESCRIPTION, WEIGHTS, Card, DamagedCheckpoint, Part, digest, read_card
from models.encoders import ENCODERS
from models.encoders.minilm import MiniLM
from models.heads import HEADS
from models.inner import Rule
from models.inputs import INPUTS, Input
from models.learner import Learner
from models.rules import RULES


@dataclass(frozen=True)
class Checkpoint:
    """A learner as it was saved, ready to serve: in single precision, in evaluation mode, without gradients."""

    digest: str
    card: Card
    inputs: Input
    learner: Learner

    @property
    def takes_names(self) -> bool:
        """Whether it can be told what labels mean: by texts, which its inputs are."""
        return self.learner.head.takes_names and self.card.modality == "text"

    @property
    def layout(self) -> Mapping[str, str]:
        """Axes of each leaf of a task's params, see Head."""
        return self.learner.head.layout


def build(encoder: Part, head: Part) -> Learner:
    """An untrained learner from its description. Raises KeyError or TypeError for unknown names or options."""
    return Learner(_row(ENCODERS, encoder)(), _row(HEADS, head)())


def build_rule(part: Part) -> Callable[..., Rule]:
    """A rule from its description, to be given the shapes of what it moves. Raises KeyError or TypeError."""
    return _row(RULES, part)


def save(folder: Path, learner: Learner, card: Card, dtype: torch.dtype = torch.float32) -> str:
    """Write the learner and its card into `folder`, weights in `dtype`; returns the digest."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / DESCRIPTION).write_text(card.to_json(), "utf-8")
    state = {key: leaf.to(dtype) if leaf.is_floating_point() else leaf for key, leaf in learner.state_dict().items()}
    (folder / WEIGHTS).write_bytes(to_bytes({key: leaf.contiguous() for key, leaf in state.items()}))
    return digest(folder)


def load(folder: Path) -> Checkpoint:
    """The model in this folder. Raises DamagedCheckpoint when a file is missing, broken or misfits, and MissingBase."""
    card = read_card(folder)
    try:
        inputs, learner = _row(INPUTS, card.inputs)(), build(card.encoder, card.head)
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedCheckpoint(f"{folder / DESCRIPTION} describes no model that can be built: {error}") from None
    try:
        learner.load_state_dict(load_file(folder / WEIGHTS))
        if isinstance(learner.encoder, MiniLM):
            learner.encoder.fuse()
    except (OSError, SafetensorError, RuntimeError) as error:
        raise DamagedCheckpoint(f"{folder / WEIGHTS} does not hold the weights of this model: {error}") from None
    return Checkpoint(digest(folder), card, inputs, learner.eval().requires_grad_(False))


def _row(table: Mapping[str, Callable[..., Any]], part: Part) -> Callable[..., Any]:
    """The row of a table with its options, not yet called; `body`, heads and `rule` are rows of tables themselves."""
    options = {key: option for key, option in part.items() if key != "name"}
    if "body" in options:
        options["body"] = _row(ENCODERS, options["body"])()
    for part_of_head in {"head", "classes", "values"} & options.keys():
        options[part_of_head] = _row(HEADS, options[part_of_head])()
    if "rule" in options:
        options["rule"] = _row(RULES, options["rule"])
    return partial(table[part["name"]], **options)
