"""The recipe of `tables`: classification of rows of small tables in context, learned from made-up tables alone."""

from pathlib import Path

import torch

from models.card import Card
from models.checkpoint import build
from models.data.table_prior import TableTasks
from models.learner import Learner
from models.training.figures import Figure, joined
from models.training.objectives.episodic import episodic
from models.training.train import Run
from models.training.vectors import judged

HELD_OUT = 1  # the seed of the tasks that figures are measured on


def tables(data: Path, num_steps: int = 4500, hidden: int = 48) -> Run:
    """Likelihood of the queries; needs no data."""
    torch.manual_seed(0)
    card = Card(
        name="tables",
        modality="table",
        kinds=("classification",),
        inputs={"name": "table"},
        encoder={"name": "identity"},
        head={"name": "in_context", "hidden": hidden},
        created_at="",
        card={
            "recipe": f"kshot train tables ({num_steps} steps, {__name__})",
            "inputs": "rows of up to 64 cells, each a number, a text or null; columns in any units and order",
            "data": "synthetic: tables from a prior over functions and columns (models.data.table_prior)",
            "split": "trained on made-up tables alone, chosen on others of them and on regressions cut into classes",
            "licence": "Apache-2.0",
        },
    )
    return Run(
        card=card,
        learner=build(card.encoder, card.head),
        objective=episodic,
        batches=TableTasks(),
        num_steps=num_steps,
        optimiser="adamw",
        rate=0.004,
        warmup_steps=50,
        weight_decay=0.01,
        max_norm=1.0,
        validate=lambda learner: {figure.name: figure.value for figure in figures(learner, num_batches=3)},
        arguments={"hidden": hidden},
    )


def figures(learner: Learner, num_batches: int = 20) -> list[Figure]:
    """Accuracy and calibration on made-up tables never seen."""
    shown = []
    for ways, shots in ((2, 5), (3, 10), (5, 5)):
        tasks = TableTasks(num_tasks=16, ways=ways, shots=shots, seed=HELD_OUT)
        name = f"{ways}-way {shots}-shot"
        answers = joined([judged(learner, tasks(step)) for step in range(num_batches)])
        shown += [answers.accuracy(name), answers.calibration_error(f"{name}, calibration error")]
    return shown
