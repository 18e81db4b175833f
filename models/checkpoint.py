"""A learner on disk: model.json says how to rebuild it from the tables, weights.safetensors holds its weights."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import Tensor

from models.appraisal import Appraisal
from models.card import DESCRIPTION, WEIGHTS, Card, DamagedCheckpoint, Part, digest, read_card
from models.encoders import ENCODERS
from models.encoders.minilm import MiniLM
from models.encoders.words import Words
from models.heads import HEADS
from models.inner import Rule
from models.inputs import INPUTS, Input
from models.learner import Learner
from models.rules import RULES
from models.types import TaskParams

PARTS: Mapping[str, Mapping[str, Callable[..., Any]]] = {
    **dict.fromkeys(("body", "image", "text"), ENCODERS),
    **dict.fromkeys(("head", "classes", "values"), HEADS),
}  # options that are parts, and the tables that they are rows of
log = logging.getLogger(__name__)

APPRAISAL = "appraisal.safetensors"  # of the first kind of tasks that a model has; of another it names the kind
FITTED_FOR = "model_digest"  # in its header
TEMPERATURE = ("heat", "warmth")  # begin leaves of it that files of before do not have
TASKS = "tasks."  # tasks.<name>.<leaf>: the params of the tasks that belong to a model
BOOLS = ("ways", "independent")  # leaves that are no numbers


@dataclass(frozen=True)
class Checkpoint:
    """A learner as it was saved, ready to serve: in single precision, in evaluation mode, without gradients."""

    digest: str
    card: Card
    inputs: Input
    learner: Learner
    tasks: Mapping[str, TaskParams] = field(default_factory=dict)  # the model's own, without the axis of tasks
    appraisals: Mapping[str, Appraisal] = field(default_factory=dict)  # by kind; no part of the model nor its digest

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


def save(
    folder: Path,
    learner: Learner,
    card: Card,
    dtype: torch.dtype = torch.float32,
    tasks: Mapping[str, TaskParams] | None = None,
) -> str:
    """Write the learner, its own tasks and its card into `folder`, weights in `dtype`; returns the digest."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / DESCRIPTION).write_text(card.to_json(), "utf-8")
    state = {key: leaf.to(dtype) if leaf.is_floating_point() else leaf for key, leaf in learner.state_dict().items()}
    for name, params in (tasks or {}).items():
        state |= {f"{TASKS}{name}.{leaf}": value for leaf, value in params.items()}
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
        state = load_file(folder / WEIGHTS)
        tasks = _tasks_of(card, learner.head.layout, {key: state.pop(key) for key in [*state] if key.startswith(TASKS)})
        learner.load_state_dict(state)
        if isinstance(learner.encoder, MiniLM | Words):
            learner.encoder.fuse()
    except (OSError, SafetensorError, RuntimeError, ValueError) as error:
        raise DamagedCheckpoint(f"{folder / WEIGHTS} does not hold the weights of this model: {error}") from None
    found = digest(folder)
    appraisals = {kind: read_appraisal(appraisal_file(folder, card, kind), kind, found) for kind in card.kinds}
    fitting = {kind: each for kind, each in appraisals.items() if each is not None}
    return Checkpoint(found, card, inputs, learner.eval().requires_grad_(False), tasks, fitting)


def appraisal_file(folder: Path, card: Card, kind: str) -> Path:
    """Where the appraisal of a model's tasks of this kind lies, if there is one."""
    return folder / (APPRAISAL if kind == card.kinds[0] else f"appraisal-{kind}.safetensors")


def write_appraisal(folder: Path, appraisal: Appraisal, told: Mapping[str, str]) -> None:
    """Put an appraisal beside the weights that it was fitted for; `told` says how."""
    state = {key: leaf.contiguous() for key, leaf in appraisal.state_dict().items()}
    appraisal_file(folder, read_card(folder), appraisal.kind).write_bytes(
        to_bytes(state, {**told, FITTED_FOR: digest(folder)})
    )


def read_appraisal(path: Path, kind: str, model_digest: str) -> Appraisal | None:
    """The appraisal in this file; none, with a warning, if it is of other weights. Raises DamagedCheckpoint."""
    if not path.exists():
        return None
    try:
        with safe_open(path, "pt") as file:
            told = file.metadata() or {}
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - it is no mapping
        appraisal = Appraisal(kind)
        none = {key: leaf for key, leaf in appraisal.state_dict().items() if key.startswith(TEMPERATURE)}
        appraisal.load_state_dict(none | state)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise DamagedCheckpoint(f"{path} does not hold an appraisal of this model: {error}") from None
    if told.get(FITTED_FOR) != model_digest:
        log.warning("%s was fitted for other weights: tasks are not appraised", path)
        return None
    return appraisal.eval().requires_grad_(False)


def _tasks_of(card: Card, layout: Mapping[str, str], leaves: Mapping[str, Tensor]) -> dict[str, TaskParams]:
    """The params of the model's own tasks. Raises ValueError where they do not fit its card or its head."""
    if leaves.keys() != {f"{TASKS}{name}.{leaf}" for name in card.tasks for leaf in layout}:
        raise ValueError("the tasks in it are not those of the model's description")
    found, sizes = {}, dict[str, int]()
    for name, told in card.tasks.items():
        found[name] = {leaf: leaves[f"{TASKS}{name}.{leaf}"] for leaf in layout}
        sizes |= {"N": len(told["labels"] or ()), "O": int(told["kind"] == "regression")}
        for leaf, axes in layout.items():
            _check(f"{name}.{leaf}", found[name][leaf], axes.split(), sizes)
    return found


def _check(name: str, leaf: Tensor, axes: list[str], sizes: dict[str, int]) -> None:
    """Raises ValueError unless the leaf has these axes; a size that is not known yet is that of the first leaf."""
    pairs = zip(axes, leaf.shape, strict=False)
    wanted = [int(axis) if axis.isdecimal() else sizes.setdefault(axis, size) for axis, size in pairs]
    if len(axes) != leaf.ndim or list(leaf.shape) != wanted:
        raise ValueError(f"{name} of shape {[*leaf.shape]} does not fit its axes {axes}")
    if leaf.dtype != (torch.bool if name.rpartition(".")[2] in BOOLS else torch.float32) or not leaf.isfinite().all():
        raise ValueError(f"{name} holds what is no number")


def _row(table: Mapping[str, Callable[..., Any]], part: Part) -> Callable[..., Any]:
    """The row of a table with its options, not yet called; parts of it are rows of tables themselves."""
    options = {key: option for key, option in part.items() if key != "name"}
    for key in [key for key in PARTS if key in options]:
        options[key] = _row(PARTS[key], options[key])()
    if "rule" in options:
        options["rule"] = _row(RULES, options["rule"])
    return partial(table[part["name"]], **options)
