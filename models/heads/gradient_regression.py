"""Adaptation by gradient descent from a learned start, for numeric targets: MAML's regression (Finn et al. 2017)."""

from collections.abc import Callable, Iterator

import torch
from jaxtyping import Float
from torch import Tensor, nn

from models.heads.gradient import through
from models.heads.head import Head, values_of
from models.heads.with_leaves import own_leaves
from models.inner import Rule, Shapes, descend
from models.types import Gaussian, Rows, Support, TaskParams


class GradientRegression(Head):
    """Every parameter of `body` and of the linear layer on its `width` features moves, `num_steps` steps by `rule`.

    Each step goes down the mean squared error of the task's own rows. All outputs share one learned start. Targets
    keep the units of training, and the deviation of a target is one learned number.
    """

    def __init__(
        self,
        body: nn.Module,
        width: int,
        rule: Callable[[Shapes], Rule],
        num_steps: int = 1,
        first_order: bool = False,
        noise: float = 1.0,
    ) -> None:
        super().__init__()
        self.body = body
        self.num_steps = num_steps
        self.first_order = first_order
        layer = nn.Linear(width, 1)
        self.weight, self.bias = layer.weight, layer.bias
        self.log_noise = nn.Parameter(torch.tensor(noise).log())  # standard deviation
        shapes = {f"body.{name}": tuple(leaf.shape) for name, leaf in body.named_parameters()}
        self.rule = rule({**shapes, "weight": (1, width), "bias": (1,)})
        fixed = {name: " ".join(map(str, shape)) for name, shape in shapes.items()}
        self.layout = {**fixed, "weight": f"O {width}", "bias": "O"}

    def start(self, support: Support) -> TaskParams:
        """The learned body and layer, the same for every task."""
        T, _, O = values_of(support).values.shape  # noqa: E741
        leaves = own_leaves(self.body).items()
        body = {f"body.{name}": leaf.contiguous().expand(T, *leaf.shape) for name, leaf in leaves}
        return {**body, "weight": self.weight.expand(T, O, -1), "bias": self.bias.expand(T, O)}

    def steps(self, support: Support, start: TaskParams) -> Iterator[TaskParams]:
        """Each step goes down the mean squared error of each task's own rows."""
        targets, mask = values_of(support).values, support.rows.mask

        def loss(params: TaskParams) -> Float[Tensor, ""]:
            miss = (self._means(params, support.rows) - targets).masked_fill(~mask.unsqueeze(-1), 0)
            return (miss.square().sum((1, 2)) / mask.sum(1)).sum()

        yield from descend(loss, start, self.rule, self.num_steps, self.first_order)

    def predict(self, params: TaskParams, query: Rows) -> Gaussian:
        """What each task's network says of its queries, and the learned variance."""
        mean = self._means(params, query)
        return Gaussian(mean, (2 * self.log_noise).exp().expand_as(mean))

    def _means(self, params: TaskParams, rows: Rows) -> Float[Tensor, "T R O"]:
        return through(self.body, params, rows) @ params["weight"].mT + params["bias"].unsqueeze(1)
