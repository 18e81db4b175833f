"""A network that writes the classifier: VERSA (Gordon et al. 2019), CNAPs' head (Requeima et al. 2019)."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from models.heads.head import Head, classes_of, mask_absent
from models.types import Logits, Rows, Support, TaskParams


class Amortised(Head):
    """Weights and intercepts of a linear layer on unit features, in one pass and without a gradient.

    Each class is a set (Zaheer et al. 2017): the mean of what `embed` makes of its rows. From that, the mean over all
    classes and the logarithms of the class's shots and of the ways, `write` makes a row of the layer, the same way
    for every class. It adds to the class's mean feature, and adds nothing until it is trained. Where a task starts
    from does not matter.
    """

    def __init__(self, width: int, hidden: int = 128, scale: float = 10.0) -> None:
        super().__init__()
        self.layout = {"weight": f"N {width}", "bias": "N", "ways": "N"}
        self.width = width
        self.log_scale = nn.Parameter(torch.tensor(scale).log())
        self.embed = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, hidden))
        self.write = nn.Sequential(nn.Linear(2 * hidden + 2 * width + 2, hidden), nn.ReLU())
        self.written = nn.Linear(hidden, width + 1)
        nn.init.zeros_(self.written.weight)
        nn.init.zeros_(self.written.bias)

    def start(self, support: Support) -> TaskParams:
        """A layer of zeros: every class alike."""
        ways = classes_of(support).ways
        weight = ways.new_zeros((*ways.shape, self.width), dtype=torch.float32)
        return {"weight": weight, "bias": weight[..., 0], "ways": ways}

    def steps(self, support: Support, start: TaskParams) -> Iterator[TaskParams]:
        """One step: the layer as it is written for these classes."""
        ways, rows = start["ways"], F.normalize(support.rows.values.float(), dim=-1)
        members = classes_of(support).one_hot(support.rows.mask)
        shots, num_ways = members.sum(1).clamp(min=1).unsqueeze(-1), ways.sum(1)[:, None, None]
        classes: Float[Tensor, "T N K"] = members.mT @ torch.cat([rows, self.embed(rows)], -1) / shots
        task = classes.sum(1, keepdim=True) / num_ways  # padded classes are zero
        sizes = torch.cat([shots.log(), num_ways.expand_as(shots).log()], -1)
        written = self.written(self.write(torch.cat([classes, task.expand_as(classes), sizes], -1)))
        weight = F.normalize(classes[..., : self.width], dim=-1) + written[..., :-1]
        yield {"weight": weight, "bias": written[..., -1], "ways": ways}

    def predict(self, params: TaskParams, query: Rows) -> Logits:
        """Scaled outputs of the layer."""
        outputs = F.normalize(query.values.float(), dim=-1) @ params["weight"].mT + params["bias"].unsqueeze(1)
        return Logits(mask_absent(self.log_scale.exp() * outputs, params["ways"]))
