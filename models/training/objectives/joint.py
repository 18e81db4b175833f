"""Joint multi-task learning: a shared encoder, a layer a task, the weighted sum of their losses (Caruana 1997)."""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from models.data.shared import NONE, JointBatch
from models.learner import Learner
from models.training.objectives.episodic import Metrics
from models.training.weighting import Weighting
from models.types import Classes, Gaussian, Logits, Rows, Scores, Support, TaskParams, Values, full_rows

LEAN = 5.0  # rows of all tasks together, as which a task's own deviation counts them
GAIN = 16.0  # of layers on unit features over what is trained: they learn as fast as the encoder
FACTORS = tuple(2 ** (k / 4) for k in range(-8, 5))
TRAINED = ("weight", "bias")  # of a task's leaves; the others are settled when training has ended


class Joint(nn.Module):
    """Owns a layer for every task, with which the learner's own head predicts: L = sum of lambda_T L_T.

    A task's loss is its mean over the rows that have a label: cross-entropy, or half the squared error in units of
    the task's own spread. A task without a label in the batch has no loss there. UPGrad compares the gradients of the
    encoder's last `num_shared` leaves, or of all of them: a backward pass a task, through so much of the encoder.
    """

    def __init__(
        self,
        learner: Learner,
        width: int,
        num_ways: Mapping[str, int],
        spreads: Mapping[str, tuple[float, float]],
        weights: str = "fixed",
        num_shared: int = 0,
    ) -> None:
        super().__init__()
        self.num_ways, self.spreads, self.num_shared = dict(num_ways), dict(spreads), num_shared
        self.weighting = Weighting([*num_ways, *spreads], weights)
        ways, count = [*num_ways.values()], len(spreads)
        rows = full_rows(torch.zeros(max(len(ways), count), 1, width))
        has = torch.arange(max(ways, default=0)) < torch.tensor(ways).view(-1, 1)
        no_class = torch.zeros(len(ways), 1, dtype=torch.int64)
        self.classes = _Layers(learner.head.start(Support(_first(rows, len(ways)), Classes(no_class, has))))
        self.values = _Layers(learner.head.start(Support(_first(rows, count), Values(torch.zeros(count, 1, 1)))))
        centre, unit = torch.tensor([*spreads.values()]).view(-1, 2).unbind(1)
        self.register_buffer("centre", centre, persistent=False)
        self.register_buffer("unit", unit, persistent=False)
        self.centre: Tensor
        self.unit: Tensor

    def forward(self, learner: Learner, batch: JointBatch) -> Metrics:
        """Fill the gradients of the encoder, of every task's layer and of the weights."""
        losses = self.losses(learner, learner.encoder(batch.inputs), batch)
        shared = [leaf for leaf in learner.encoder.parameters() if leaf.requires_grad]
        torch.autograd.backward(self.weighting(losses, shared[-self.num_shared :]))
        for leaf in self.parameters():  # so that every lane and process has the same gradients to average
            if leaf.requires_grad and leaf.grad is None:
                leaf.grad = torch.zeros_like(leaf)
        return {"loss": sum(loss.item() for loss in losses.values()) / len(losses)}

    def losses(
        self, learner: Learner, features: Float[Tensor, "B D"], batch: JointBatch
    ) -> dict[str, Float[Tensor, ""]]:
        """The loss of each task that has a label here."""
        found: dict[str, Tensor] = {}
        if self.num_ways:
            scores = learner.head.predict(self.classes.params(), _for_each(features, len(self.num_ways)))
            assert isinstance(scores, Logits)
            each = F.cross_entropy(scores.values.mT, batch.classes.mT, ignore_index=NONE, reduction="none").sum(1)
            known = (batch.classes != NONE).sum(0)
            found |= _present(self.num_ways, each, known)
        if self.spreads:
            scores = learner.head.predict(self.values.params(), _for_each(features, len(self.spreads)))
            assert isinstance(scores, Gaussian)
            truth = ((batch.values - self.centre) / self.unit).mT
            each = torch.where(truth.isnan(), 0, scores.mean.squeeze(-1) - truth.nan_to_num()).square().sum(1) / 2
            found |= _present(self.spreads, each, (~truth.isnan()).sum(1))
        return found

    @torch.no_grad()
    def settle(self, learner: Learner, batch: JointBatch) -> None:
        """At the end of training: each regression's deviation, and how sure each classification is, by other rows.

        A task with few such rows leans on what holds for all of them.
        """
        scores = learner.eval().encoder(batch.inputs)
        if self.spreads:
            found = learner.head.predict(self.values.params(), _for_each(scores, len(self.spreads)))
            assert isinstance(found, Gaussian)
            truth = ((batch.values - self.centre) / self.unit).mT
            miss = torch.where(truth.isnan(), 0, found.mean.squeeze(-1) - truth.nan_to_num()).square()
            counts, whole = (~truth.isnan()).sum(1), miss.sum() / (~truth.isnan()).sum()
            std = ((miss.sum(1) + LEAN * whole) / (counts + LEAN)).sqrt()
            self.values.kept["values_of_std"].copy_(std.unsqueeze(1))
        if self.num_ways:
            self._cool(
                learner.head.predict(self.classes.params(), _for_each(scores, len(self.num_ways))), batch.classes
            )

    def _cool(self, scores: Scores, classes: Int64[Tensor, "B C"]) -> None:
        """Multiply each layer by what makes the rows likeliest."""
        assert isinstance(scores, Logits)

        def loss(factor: float) -> Float[Tensor, "C"]:
            logits = (scores.values * factor).mT
            return F.cross_entropy(logits, classes.mT, ignore_index=NONE, reduction="none").sum(1)

        losses = torch.stack([loss(factor) for factor in FACTORS])
        factor = torch.tensor(FACTORS)[(losses + losses.mean(1, keepdim=True)).argmin(0)]
        self.classes.kept["weight"] *= factor[:, None, None]
        self.classes.kept["bias"] *= factor[:, None]

    @torch.no_grad()
    def tasks(self) -> dict[str, TaskParams]:
        """Each task's params as they are served: without padding, in the units of its own targets."""
        found = {}
        for t, (name, ways) in enumerate(self.num_ways.items()):
            layers = self.classes.params()
            # of the leaves of classes, ways are the first axis
            found[name] = {
                leaf: value[t, : ways if "." not in leaf else None].clone() for leaf, value in layers.items()
            }
        for t, name in enumerate(self.spreads):
            params = {leaf: value[t].clone() for leaf, value in self.values.params().items()}
            params["values.weight"], params["values.std"] = (
                params[f"values.{leaf}"] * self.unit[t] for leaf in ("weight", "std")
            )
            params["values.bias"] = params["values.bias"] * self.unit[t] + self.centre[t]
            found[name] = params
        return found


class _Layers(nn.Module):
    """Params of tasks, one behind another; those that are trained are parameters."""

    def __init__(self, params: TaskParams) -> None:
        super().__init__()
        self.kept = nn.ParameterDict()
        for name, leaf in params.items():
            trained = name.rpartition(".")[2] in TRAINED and leaf.numel() > 0
            self.kept[_key(name)] = nn.Parameter(leaf.detach().clone(), requires_grad=trained)
        self.names = tuple(params)

    def params(self) -> TaskParams:
        """As a head takes them."""
        return {
            name: self.kept[_key(name)] * GAIN if self.kept[_key(name)].requires_grad else self.kept[_key(name)]
            for name in self.names
        }


def _key(name: str) -> str:
    return name.replace(".", "_of_")  # a dot is not allowed in the name of a parameter


def _first(rows: Rows, num_tasks: int) -> Rows:
    return full_rows(rows.values[:num_tasks])


def _for_each(features: Float[Tensor, "B D"], num_tasks: int) -> Rows:
    """The same rows for every task."""
    return full_rows(features.unsqueeze(0).expand(num_tasks, -1, -1))


def _present(names: Sequence[str] | Mapping[str, object], sums: Tensor, counts: Tensor) -> dict[str, Tensor]:
    """Means over the rows that have a label, of the tasks that have any."""
    rows = zip(names, sums, counts.tolist(), strict=True)
    return {name: total / count for name, total, count in rows if count}
