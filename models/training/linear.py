"""The recipe of `linear`: linear regression tasks, where everything that should be learned is known beforehand."""

from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from models.card import Card
from models.checkpoint import build
from models.data.regressions import LinearTasks
from models.learner import Learner
from models.training.objectives.episodic import episodic
from models.training.train import Run

LEARNED = ("both", "features", "head", "neither")


def linear(data: Path, learned: str = "both", width: int = 8, num_steps: int = 1000) -> Run:
    """One cell of the table F x H; needs no data.

    A task is y = w x + noise with w = mean + subspace' z (models.data.regressions). F is a linear map of the 8 inputs
    to `width` features; H is what the Bayesian head believes of the weights on them before the first example: their
    mean, the 4 directions in which tasks differ, the noise. Each is `learned`, or stays as it was drawn at random.
    The table shows which of the two carries what tasks have in common, after equally many steps. With both learned
    the best possible error is reached, by 8 features as by 5: 4 directions and a mean. A random F is a rotation of the
    inputs. Of width 8 it hides nothing, and H alone reaches as much behind it; of width 5 it hides part of the inputs,
    and what H can reach is the best error behind that F. A learned F under a random H can turn the directions, and
    nothing tells it the mean or the noise.
    """
    if learned not in LEARNED:
        raise ValueError(f"there is no choice {learned!r} of what is learned; there are {', '.join(LEARNED)}")
    torch.manual_seed(0)
    tasks = LinearTasks()
    card = Card(
        name="linear",
        modality="vector",
        kinds=("regression",),
        inputs={"name": "vector", "dim": tasks.dim},
        encoder={"name": "linear_map", "input_dim": tasks.dim, "width": width},
        head={"name": "alpaca", "width": width, "rank": tasks.rank, "units": "trained"},
        created_at="",
        card={
            "recipe": f"kshot train linear --set learned={learned} --set width={width} ({num_steps} steps)",
            "inputs": f"{tasks.dim} numbers; targets in the unit of training",
            "data": "synthetic: linear maps (models.data.regressions)",
            "licence": "Apache-2.0",
        },
    )
    return Run(
        card=card,
        learner=freeze(build(card.encoder, card.head), learned),
        objective=episodic,
        batches=replace(tasks, min_shots=2, max_shots=20),
        num_steps=num_steps,
        optimiser="adamw",
        rate=0.02,
        warmup_steps=20,
        max_norm=1.0,
    )


def freeze(learner: Learner, learned: str) -> Learner:
    """The learner, where what is not learned stays as it was drawn."""
    parts: dict[str, nn.Module] = {"features": learner.encoder, "head": learner.head}
    for name, part in parts.items():
        part.requires_grad_(learned in ("both", name))
    return learner
