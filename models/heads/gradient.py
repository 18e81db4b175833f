"""Adaptation by gradient descent from a learned start: MAML (Finn et al. 2017) over a whole network.

With the identity as body only a linear layer adapts, which behind a shared encoder is ANIL (Raghu et al. 2020).
"""

from collections.abc import Callable, Iterator
from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import vmap

from models.heads.head import Head, classes_of, mask_absent
from models.heads.with_leaves import own_leaves, with_leaves
from models.inner import Rule, Shapes, descend
from models.types import Logits, Rows, Support, TaskParams

MANY_ROWS = 16  # of a task: then, on a CPU, networks one by one take less than convolutions with a group a task


class Gradient(Head):
    """Every parameter of `body` and of the linear layer on its `width` features moves, `num_steps` steps by `rule`.

    The layer starts at zero, so that no class differs from another before its examples are seen and tasks of any
    number of ways share one start; or, with `prototypes`, as the nearest-mean classifier of the learned body's features
    (Proto-MAML, Triantafillou et al. 2020), which tells the body from the first step on what to change.
    `first_order` drops the second derivative in training (FOMAML).
    """

    def __init__(
        self,
        body: nn.Module,
        width: int,
        rule: Callable[[Shapes], Rule],
        num_steps: int = 5,
        first_order: bool = False,
        prototypes: bool = False,
    ) -> None:
        super().__init__()
        self.body = body
        self.width = width
        self.num_steps = num_steps
        self.first_order = first_order
        self.prototypes = prototypes
        shapes = {f"body.{name}": tuple(leaf.shape) for name, leaf in body.named_parameters()}
        self.rule = rule({**shapes, "weight": (1, width), "bias": (1,)})
        fixed = {name: " ".join(map(str, shape)) for name, shape in shapes.items()}
        self.layout = {**fixed, "weight": f"N {width}", "bias": "N", "ways": "N"}

    def start(self, support: Support) -> TaskParams:
        """The learned body, the same for every task, and the layer: zeros, or from the prototypes."""
        ways = classes_of(support).ways
        body = {
            f"body.{name}": leaf.contiguous().expand(len(ways), *leaf.shape)  # vmap knows no other memory format
            for name, leaf in own_leaves(self.body).items()
        }
        weight = ways.new_zeros((*ways.shape, self.width), dtype=torch.float32)
        if self.prototypes:
            weight = 2 * self._prototypes(support)
        return {**body, "weight": weight, "bias": -weight.square().sum(-1) / 4, "ways": ways}

    def steps(self, support: Support, start: TaskParams) -> Iterator[TaskParams]:
        """Each step goes down the mean cross-entropy of each task's own rows."""
        index, mask, ways = classes_of(support).index, support.rows.mask, start["ways"]

        def loss(params: TaskParams) -> Float[Tensor, ""]:
            logits = self._logits({**params, "ways": ways}, support.rows)
            each = F.cross_entropy(logits.mT, index, reduction="none").masked_fill(~mask, 0)
            return (each.sum(1) / mask.sum(1)).sum()

        moving = {name: leaf for name, leaf in start.items() if name != "ways"}
        for params in descend(loss, moving, self.rule, self.num_steps, self.first_order):
            yield {**params, "ways": ways}

    def predict(self, params: TaskParams, query: Rows) -> Logits:
        """Class logits of each query row through its own task's network."""
        return Logits(self._logits(params, query))

    def _prototypes(self, support: Support) -> Float[Tensor, "T N D"]:
        """The mean of each class's features, by the body that all tasks start from: one flat pass."""
        members = classes_of(support).one_hot(support.rows.mask)
        made = with_leaves(self.body, {}, support.rows.flat()[0])
        features = support.rows.with_values(made).values
        return members.mT @ features / members.sum(1).clamp(min=1).unsqueeze(-1)

    def _logits(self, params: TaskParams, rows: Rows) -> Float[Tensor, "T R N"]:
        features = through(self.body, params, rows)
        return mask_absent(features @ params["weight"].mT + params["bias"].unsqueeze(1), params["ways"])


def through(body: nn.Module, params: TaskParams, rows: Rows) -> Float[Tensor, "T R D"]:
    """Each task's rows through its own body, whose leaves are those of the params that begin with "body."."""
    own = {name.removeprefix("body."): leaf for name, leaf in params.items() if name.startswith("body.")}
    num_tasks, num_rows = rows.mask.shape
    if not own or rows.mask.device.type != "cpu" or (num_tasks > 1 and num_rows < MANY_ROWS):
        each: Tensor = vmap(partial(with_leaves, body))(own, rows.values)
        return each
    leaves = zip(*(leaf.unbind() for leaf in own.values()), strict=True)
    networks = (dict(zip(own, of_task, strict=True)) for of_task in leaves)
    return torch.stack([with_leaves(body, net, values) for net, values in zip(networks, rows.values, strict=True)])
