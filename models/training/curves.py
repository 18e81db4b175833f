"""The recipe of `curves`: one-dimensional regression, learned from synthetic curves."""

from pathlib import Path

import numpy as np
import torch

from models.card import Card
from models.checkpoint import build
from models.data.synthetic import CurveTasks
from models.heads.alpaca import effective_rank
from models.heads.bayesian_linear import BayesianLinear
from models.heads.in_own_units import InOwnUnits
from models.learner import Learner
from models.training.figures import Figure, percent
from models.training.objectives.episodic import Metrics, episodic
from models.training.train import Run
from models.types import Gaussian, Values

TWO_SIDED_90 = 1.645  # standard deviations
REACH = 8.0  # from the middle of curves made for supports in [-5, 5]: how far training asks
UNIFORM = 2.9  # the standard deviation of inputs that are spread evenly over [-5, 5]
HELD_OUT = 1  # the seed of the tasks that figures are measured on


def curves(data: Path, num_steps: int = 6000) -> Run:
    """Likelihood of the queries; needs no data.

    At least 3 shots, and gradients held short: from one degree of freedom the spread is now and then far too small,
    and the expected loss without bound.
    """
    torch.manual_seed(0)
    card = Card(
        name="curves",
        modality="vector",
        kinds=("regression",),
        inputs={"name": "vector", "dim": 1},
        encoder={"name": "identity"},
        head={
            "name": "in_own_units",
            "columns": 1,
            "body": {"name": "mlp", "input_dim": 1, "widths": [64, 64], "scale": 1.7, "through": True},
            "head": {"name": "bayesian_linear", "width": 65, "rank": 16, "noises": [0.02, 0.06, 0.2, 0.5]},
            "constant": 0.0,
            "farthest": 1000.0,
            "alone": True,
            "reach": REACH / UNIFORM,
        },
        created_at="",
        card={
            "recipe": f"kshot train curves ({num_steps} steps, {__name__})",
            "inputs": "one number, in any unit, as targets are; best between the support's least and greatest",
            "data": "synthetic: sinusoids, lines, parabolas, growth, Gaussian processes (models.data.synthetic)",
            "licence": "Apache-2.0",
        },
    )
    return Run(
        card=card,
        learner=build(card.encoder, card.head),
        objective=episodic,
        batches=CurveTasks(num_tasks=32, min_shots=3, reach=REACH),
        num_steps=num_steps,
        optimiser="adamw",
        rate=3e-3,
        warmup_steps=20,
        max_norm=1.0,
        validate=validated,
    )


def validated(learner: Learner) -> Metrics:
    """A few of the figures, and in how many directions curves differ: the mean over the hypotheses' priors."""
    assert isinstance(learner.head, InOwnUnits)
    assert isinstance(learner.head.head, BayesianLinear)
    ranks = [effective_rank(prior) for prior in learner.head.head.priors]
    shown = {figure.name: figure.value for figure in figures(learner, num_batches=5)}
    return {**shown, "effective rank": sum(ranks) / len(ranks)}


def figures(learner: Learner, num_batches: int = 40) -> list[Figure]:
    """Squared error, as a share of the curve's variance, and how many targets a 90% interval holds, by shots."""
    shown = []
    for shots in (3, 5, 10, 20):
        tasks = CurveTasks(min_shots=shots, max_shots=shots, seed=HELD_OUT)
        errors, held = zip(*(_judged(learner, tasks, step) for step in range(num_batches)), strict=True)
        shown.append(percent(f"{shots}-shot, squared error", np.concatenate(errors)))
        shown.append(percent(f"{shots}-shot, inside the 90% interval", np.concatenate(held)))
    return shown


def _judged(learner: Learner, tasks: CurveTasks, step: int) -> tuple[np.ndarray, np.ndarray]:
    """Of each task of one batch: mean squared error, and share of targets inside the interval."""
    batch = tasks(step)
    with torch.inference_mode():
        scores = learner.predict(learner.adapt(batch.support), batch.query)
    assert isinstance(scores, Gaussian)
    assert isinstance(batch.target, Values)
    miss = (scores.mean - batch.target.values).squeeze(-1)
    held = miss.abs() < TWO_SIDED_90 * scores.variance.squeeze(-1).sqrt()
    return miss.square().mean(1).double().numpy(), held.double().mean(1).numpy()
