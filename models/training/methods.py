"""The methods of meta-learning as points in one space, encoder x head x objective, all over Conv-4 for glyphs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from models.card import Part
from models.learner import Learner
from models.training.objectives.episodic import Objective, episodic
from models.training.objectives.multi_step import MultiStep
from models.training.objectives.reptile import Reptile

IDENTITY: Part = {"name": "identity"}
INNER_STEPS = 5
INNER_RATES = (0.01, 0.05, 0.2, 0.8)  # to choose from; a layer behind untrained features diverges from about 1.5


@dataclass(frozen=True)
class Method:
    """What is trained and how; `objective` is made for a learner and a number of training steps."""

    encoder: Part
    head: Part
    num_steps: int  # a first estimate of eight minutes of two cores, from CPU seconds a step on a busy machine
    objective: Callable[[Learner, int], Objective] = lambda learner, num_steps: episodic
    rate: float = 2e-3

    @property
    def has_inner_rate(self) -> bool:
        """Whether it descends: its inner rate, or where a learned one begins, is to be chosen."""
        return "rule" in self.head


def method(name: str, channels: int = 64, inner_rate: float = 0.2) -> Method:
    """A method by its name, over a Conv-4 of so many channels. Raises ValueError for a name that there is not."""
    table = _table(channels, inner_rate)
    if name not in table:
        raise ValueError(f"there is no method {name!r}; there are {', '.join(table)}")
    return table[name]


def _table(channels: int, inner_rate: float) -> dict[str, Method]:
    """Every method: those with a shared encoder in front of what adapts, then those where the whole network adapts."""
    shared: Part = {"name": "conv4", "channels": channels}
    whole: Part = {**shared, "strided": True}  # many passes a task: by strides a quarter of the cost of pooling
    learned_rates: Part = {"name": "sgd", "rate": inner_rate, "learned": True, "per_leaf": True}
    by_element: Part = {"name": "meta_sgd", "rate": inner_rate}
    by_step: Part = {"name": "maml_plus_plus", "rate": inner_rate, "num_steps": INNER_STEPS}

    def steps(body: Part, rule: Part, **options: Any) -> Part:
        return {"name": "gradient", "body": body, "width": channels, "rule": rule, "num_steps": INNER_STEPS, **options}

    return {
        "protonet": Method(shared, {"name": "prototypical"}, 6000),
        "r2d2": Method(shared, {"name": "ridge"}, 5500),
        "logistic": Method(shared, {"name": "logistic", "num_steps": 16}, 5000),
        "amortised": Method(shared, {"name": "amortised", "width": channels}, 5500),
        "anil": Method(shared, steps(IDENTITY, learned_rates), 5000),
        "learned-rule": Method(shared, steps(IDENTITY, {"name": "learned", "rate": inner_rate}), 4500),
        "maml": Method(IDENTITY, steps(whole, learned_rates), 1000),
        "fomaml": Method(IDENTITY, steps(whole, learned_rates, first_order=True), 1600),
        "meta-sgd": Method(IDENTITY, steps(whole, by_element), 900),
        "maml-plus-plus": Method(IDENTITY, steps(whole, by_step), 800, _multi_step),
        "proto-maml": Method(IDENTITY, steps(whole, learned_rates, prototypes=True), 950),
        "reptile": Method(IDENTITY, steps(whole, {"name": "sgd", "rate": inner_rate}), 1900, _reptile),
    }


def _multi_step(learner: Learner, num_steps: int) -> Objective:
    return MultiStep(num_anneal=max(1, num_steps // 2))


def _reptile(learner: Learner, num_steps: int) -> Objective:
    return Reptile(sum(leaf.numel() for name, leaf in learner.head.named_parameters() if name.startswith("body.")))


METHODS = tuple(_table(channels=64, inner_rate=INNER_RATES[0]))
