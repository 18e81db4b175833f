"""The recipe of `multitask`: many tasks learned together over one encoder, which then are tasks of the model."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from models.card import Card, Part
from models.checkpoint import build
from models.data.omniglot import Omniglot, load_omniglot
from models.data.shared import NUM_TRAINED, Drawn, SharedRows, drawings, schools
from models.inputs.image import GlyphInput
from models.learner import Learner
from models.training.constants import fit_constants
from models.training.glyphs import TRAINED, VALIDATED, held_out
from models.training.objectives.episodic import Metrics
from models.training.objectives.joint import Joint
from models.training.task_figures import figures_of, spreads
from models.training.train import Run

FRAME = GlyphInput(size=28, margin=2)
HEAD: Part = {"name": "both", "classes": {"name": "linear_classes"}, "values": {"name": "linear_values"}}
ABOUT = {
    "ink": "share of the drawing's box that is ink",
    "aspect": "logarithm of the box's width by its height",
    "crossings": "strokes that a line across the drawing meets, on average",
    "pieces-less-holes": "connected pieces less the holes in them",
}
OMNIGLOT: Mapping[str, Any] = {
    "split": "Omniglot background, alphabets 0-24: 14 drawers of each character trained on, 3 validated with, 3 tested "
    "with; how new tasks are adapted to was set on alphabets 25-29",
    "licence": "Apache-2.0; trained on Omniglot (MIT, Brenden Lake)",
}
EXAM: Mapping[str, Any] = {
    "data": "mtl_exam: exam scores of pupils in 65 schools",
    "licence": "GPL-2+ (data of the R package mlmRev): to measure with, not to ship",
}


@dataclass(frozen=True)
class Shape:
    """What the tasks share: an encoder of so many features, of whose last leaves UPGrad compares the gradients."""

    modality: str
    inputs: Part
    encoder: Part
    width: int
    num_shared: int


DRAWN = Shape(
    "image",
    {"name": "glyph", "size": FRAME.size, "margin": FRAME.margin},
    {"name": "conv4", "channels": 64, "strided": True},
    64,
    4,
)
PUPILS = Shape("vector", {"name": "vector", "dim": 6}, {"name": "mlp", "input_dim": 6, "widths": [32]}, 32, 2)


def multitask(
    data: Path,
    of: str = "drawings",
    weights: str = "uncertainty",
    only: str | None = None,
    rows: int | None = None,
    num_steps: int = 1500,
) -> Run:
    """Omniglot's first 25 alphabets and attributes of their drawings, or `of` "schools" exam scores; `only` one task.

    `rows` of each character (of 14), or pupils of each school, are trained on. Background's last five alphabets, which
    are in no task, set how new tasks are adapted to.
    """
    if of == "schools":
        return joint_run(schools(data, rows), PUPILS, EXAM, weights, only, num_steps)
    if of != "drawings":
        raise ValueError(f"there are no tasks of {of!r}; there are those of drawings and of schools")
    background = load_omniglot(data, "background")
    told = {**OMNIGLOT, "data": {"omniglot background, alphabets 0-24": background.only(TRAINED).digest()}}
    shared = drawings(background.only(TRAINED), FRAME, rows or NUM_TRAINED)
    run = joint_run(shared, DRAWN, told, weights, only, num_steps)
    return run if only else with_new_tasks(run, background.only(VALIDATED))


def joint_run(
    shared: SharedRows,
    shape: Shape,
    told: Mapping[str, Any],
    weights: str = "uncertainty",
    only: str | None = None,
    num_steps: int = 1500,
    num_rows: int = 128,
) -> Run:
    """All of these tasks, or one, on what they share."""
    torch.manual_seed(0)
    shared = shared if only is None else shared.only(only)
    name = f"single-{only}" if only else "multitask" if shape is DRAWN else "multitask-schools"
    card = _card(name, shape, shared, {**told, "recipe": f"kshot train multitask ({num_steps} steps, {__name__})"})
    learner, trained, val = build(card.encoder, card.head), shared.of("train"), shared.of("val")
    num_ways = {task: len(labels) for task, labels in shared.labels.items()}
    objective = Joint(learner, shape.width, num_ways, spreads(shared), weights, shape.num_shared)

    def validate(learner: Learner) -> Metrics:
        found = figures_of(learner, objective.tasks(), shared, "val")
        parts = {"accuracy": [*shared.labels], "R2": [*shared.numbers]}
        return {name: sum(found[task] for task in tasks) / len(tasks) for name, tasks in parts.items() if tasks}

    return Run(
        card=card,
        learner=learner,
        objective=objective,
        batches=Drawn(trained, min(num_rows, len(trained.inputs))),
        num_steps=num_steps,
        optimiser="adamw",
        rate=2e-3,
        warmup_steps=20,
        weight_decay=1e-3,
        validate=validate,
        finish=lambda learner: objective.settle(learner, val),
        tasks=objective.tasks,
    )


def with_new_tasks(run: Run, held: Omniglot) -> Run:
    """The same, and at its end the constants of adapting to new tasks are set on these alphabets, and shown."""
    new, validate, finish = drawings(held, FRAME), run.validate, run.finish
    few_shot = held_out(held, FRAME)
    assert validate and finish

    def finished(learner: Learner) -> None:
        finish(learner)
        fit_constants(learner, new)

    return replace(run, finish=finished, validate=lambda learner: {**validate(learner), **few_shot(learner)})


def _card(name: str, shape: Shape, shared: SharedRows, told: Mapping[str, Any]) -> Card:
    """The card, with the tasks that the model will have."""
    tasks: dict[str, Part] = {
        task: {"kind": "classification", "labels": labels, "about": f"which character of the alphabet {task}"}
        for task, labels in shared.labels.items()
    }
    tasks |= {task: {"kind": "regression", "labels": None, "about": ABOUT.get(task, task)} for task in shared.numbers}
    kinds = ("classification", "regression")
    return Card(name, shape.modality, kinds, shape.inputs, shape.encoder, HEAD, "", dict(told), tasks)
