"""The recipe of `sinusoid`: the regression of Finn et al. (2017), by three methods, with or without noise."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from models.card import Card
from models.checkpoint import build
from models.data.regressions import SinusoidTasks
from models.training.objectives.episodic import episodic
from models.training.train import Run

NETWORK = {"name": "mlp", "input_dim": 1, "widths": [40, 40], "activation": "relu"}  # as in the papers


@dataclass(frozen=True)
class Way:
    """An encoder and a head, and how long and how fast they are trained."""

    encoder: Mapping[str, Any]
    head: Mapping[str, Any]
    num_steps: int
    rate: float


def _gradient(rule: Mapping[str, Any]) -> Way:
    head = {"name": "gradient_regression", "body": NETWORK, "width": 40, "rule": rule, "num_steps": 1}
    return Way({"name": "identity"}, head, 1500, 1e-3)


WAYS: Mapping[str, Way] = {
    "alpaca": Way(
        {"name": "mlp", "input_dim": 1, "widths": [64, 64], "scale": 5.0},
        {"name": "alpaca", "width": 64, "rank": 4, "units": "trained"},
        6000,
        3e-3,
    ),
    "maml": _gradient({"name": "sgd", "rate": 0.01}),
    "meta-sgd": _gradient({"name": "meta_sgd", "rate": 0.01}),
}


def sinusoid(data: Path, method: str = "alpaca", noise: float = 0.0, shots: int = 0, num_steps: int = 0) -> Run:
    """Likelihood of the queries; needs no data. Without `shots`, 5 to 10 of them, without `num_steps` the method's."""
    if method not in WAYS:
        raise ValueError(f"there is no method {method!r}; there are {', '.join(WAYS)}")
    torch.manual_seed(0)
    way = WAYS[method]
    card = Card(
        name=f"sinusoid-{method}",
        modality="vector",
        kinds=("regression",),
        inputs={"name": "vector", "dim": 1},
        encoder=way.encoder,
        head=way.head,
        created_at="",
        card={
            "recipe": f"kshot train sinusoid --set method={method} --set noise={noise} --set shots={shots}",
            "inputs": "one number in [-5, 5]; targets as in the paper",
            "data": "synthetic: sinusoids of Finn et al. 2017 (models.data.regressions)",
            "licence": "Apache-2.0",
        },
    )
    return Run(
        card=card,
        learner=build(card.encoder, card.head),
        objective=episodic,
        batches=SinusoidTasks(noise, min_shots=shots or 5, max_shots=shots or 10),
        num_steps=num_steps or way.num_steps,
        optimiser="adamw",
        rate=way.rate,
        warmup_steps=20,
        max_norm=1.0,
    )
