"""The recipe of `vectors`: classification of vectors in their senders' units, learned from synthetic classes."""

from pathlib import Path

import torch

from models.card import Card
from models.checkpoint import build
from models.data.episodes import Batch
from models.data.synthetic import VectorTasks
from models.learner import Learner
from models.training.figures import Answers, Figure, answers_of, joined
from models.training.objectives.episodic import episodic
from models.training.train import Run
from models.types import Classes, Logits

DIM = 64
HELD_OUT = 1  # the seed of the tasks that figures are measured on


def vectors(data: Path, num_steps: int = 600) -> Run:
    """Likelihood of the queries; needs no data."""
    torch.manual_seed(0)
    card = Card(
        name="vectors",
        modality="vector",
        kinds=("classification",),
        inputs={"name": "vector", "dim": DIM},
        encoder={"name": "identity"},
        head={"name": "ridge", "normalise": "standard"},
        created_at="",
        card={
            "recipe": f"kshot train vectors ({num_steps} steps, {__name__})",
            "inputs": f"{DIM} numbers, each column in a unit of its own",
            "data": "synthetic: clouds of correlated columns (models.data.synthetic)",
            "split": "trained on synthetic tasks alone, whose design was checked on small tables and on the digits",
            "licence": "Apache-2.0",
        },
    )
    return Run(
        card=card,
        learner=build(card.encoder, card.head),
        objective=episodic,
        batches=VectorTasks(DIM),
        num_steps=num_steps,
        optimiser="adamw",
        rate=0.03,
        validate=lambda learner: {figure.name: figure.value for figure in figures(learner, num_batches=5)},
    )


def figures(learner: Learner, num_batches: int = 20) -> list[Figure]:
    """Accuracy and calibration on synthetic tasks made apart."""
    shown = []
    for ways, shots in ((5, 1), (5, 5), (10, 5)):
        tasks = VectorTasks(DIM, min_ways=ways, max_ways=ways, min_shots=shots, max_shots=shots, seed=HELD_OUT)
        answers, name = (
            joined([judged(learner, tasks(step)) for step in range(num_batches)]),
            f"{ways}-way {shots}-shot",
        )
        shown += [answers.accuracy(name), answers.calibration_error(f"{name}, calibration error")]
    return shown


def judged(learner: Learner, batch: Batch) -> Answers:
    """The answers to a batch of classification tasks."""
    with torch.inference_mode():
        scores = learner.predict(learner.adapt(batch.support), batch.query)
    assert isinstance(scores, Logits)
    assert isinstance(batch.target, Classes)
    return answers_of(scores.values, batch.target.index)
