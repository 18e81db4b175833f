"""The recipe of `sinusoid`: the regression of Finn et al. (2017), by several methods, with or without noise."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from models.card import Card
from models.checkpoint import build
from models.data.regressions import SinusoidTasks
from models.training.objectives.episodic import Objective, episodic
from models.training.objectives.multi_step import MultiStep
from models.training.train import Run

NETWORK = {"name": "mlp", "input_dim": 1, "widths": [40, 40], "activation": "relu"}  # as in the papers
EVENLY = 10**9  # steps of training over which the weight of all inner steps moves to the last: never


@dataclass(frozen=True)
class Way:
    """An encoder and a head, and on how many tasks a step, how long and how fast they are trained."""

    encoder: Mapping[str, Any]
    head: Mapping[str, Any]
    num_tasks: int
    queries: int
    num_steps: int
    rate: float
    min_shots: int = 5

    def objective(self) -> Objective:
        """Of several inner steps all are judged, so that each is a place to stop; else the adapted task."""
        return MultiStep(EVENLY) if self.head.get("num_steps", 1) > 1 else episodic


def _bayesian(name: str, **options: Any) -> Way:
    encoder = {"name": "mlp", "input_dim": 1, "widths": [64, 64], "scale": 5.0}
    return Way(encoder, {"name": name, "width": 64, "rank": 4, **options}, 64, 20, 4000, 3e-3)


def _gradient(rule: Mapping[str, Any], inner: int, num_tasks: int, num_steps: int, rate: float) -> Way:
    head = {"name": "gradient_regression", "body": NETWORK, "width": 40, "rule": rule, "num_steps": inner}
    return Way({"name": "identity"}, head, num_tasks, 10, num_steps, rate)


MAML, META_SGD = {"name": "sgd", "rate": 0.01}, {"name": "meta_sgd", "rate": 0.01}
WAYS: Mapping[str, Way] = {
    "mixture": _bayesian("mixture_prior", kinds=16),
    "alpaca": _bayesian("alpaca", units="trained"),
    "alpaca-3": replace(_bayesian("alpaca", units="trained"), min_shots=3, num_steps=6000),
    "maml": _gradient(MAML, 1, 100, 3000, 5e-3),
    "meta-sgd": _gradient(META_SGD, 1, 100, 3000, 3e-3),
    "maml-10": _gradient(MAML, 10, 25, 800, 3e-3),
    "meta-sgd-10": _gradient({**META_SGD, "max_norm": 10.0}, 10, 25, 800, 1e-3),
}


def sinusoid(data: Path, method: str = "mixture", noise: float = 0.0, shots: int = 0, num_steps: int = 0) -> Run:
    """Likelihood of the queries; needs no data. Without `shots`, 5 to 10 of them, without `num_steps` the method's.

    The best predictor is not linear in the targets: the phase is on an arc. `mixture` comes near it, `alpaca` is the
    linear one, `alpaca-3` the same from 3 shots on, which teach it to be sure of no more than it has seen. `maml` and
    `meta-sgd` adapt by one inner step, as in their papers, those with -10 by up to ten.
    """
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
        objective=way.objective(),
        batches=SinusoidTasks(noise, way.num_tasks, shots or way.min_shots, shots or 10, way.queries),
        num_steps=num_steps or way.num_steps,
        optimiser="adamw",
        rate=way.rate,
        warmup_steps=20,
        max_norm=1.0,
    )
