"""Logistic regression held to a prior: each label's centroid, of which the label's name is a part."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from models.heads.bounded import added, fit
from models.heads.head import Head, mask_absent
from models.types import Classes, Logits, MultiHot, Rows, Support, TaskParams

KNOBS = {"penalty": 0.05, "prior": 8.0, "scale": 1.5}  # each set by a task's sizes, see `_knob`
WITH_COSINES = {"penalty": 0.1, "prior": 8.0, "scale": 1.0, "cosine": 8.0}
NUM_SIZES = 4  # one, log of shots and of ways, share of labels that have a name
NUM_EVIDENCE = 6


class PriorLogistic(Head):
    """A linear layer on unit features, shrunk towards the labels' centroids.

    One example a label leaves it a nearest-centroid classifier, many make it logistic regression: how strong the prior
    and the penalty are, and how sure the logits, is learned as a function of shots and ways. The name of a label
    counts as an example, by a weight that may fade as examples come. The evidence that a query is of none of
    the labels is weighed by a small network that knows shots and ways, so that one threshold serves tasks of all sizes.
    Labels that do not exclude each other get the same layer with a sigmoid each, and constants of their own.
    With `cosine` the centroids have a say in the logits beside the layer; where shots are many and features were not
    trained to gather round centroids, it is better without.
    """

    takes_names = True
    balance = 1.7

    def __init__(self, num_steps: int = 24, hidden: int = 16, cosine: bool = False) -> None:
        super().__init__()
        sizes, ways = str(NUM_SIZES), {"independent": "", "ways": "N"}
        self.layout = {"weight": "N D", "bias": "N", "prototype": "N D", "sizes": sizes, **ways}
        self.num_steps = num_steps
        self.cosine = cosine
        begin = torch.tensor([*(WITH_COSINES if cosine else KNOBS).values()]).log()
        slopes = torch.zeros(len(begin), NUM_SIZES - 1)
        self.knobs = nn.Parameter(torch.cat([begin[:, None], slopes], 1).repeat(2, 1, 1))
        self.threshold = nn.Parameter(torch.zeros(NUM_SIZES))  # above which a label of several applies
        self.log_name = nn.Parameter(torch.tensor(0.0))  # how many examples a name is worth,
        self.fading = nn.Parameter(torch.tensor(0.0))  # less with every example
        self.evidence = Evidence(hidden)

    def start(self, support: Support) -> TaskParams:
        """The layer of the centroids: what one is sure of before any two examples have been told apart."""
        (members, ways, independent), rows = _members(support), _unit(support.rows)
        sizes, shares = _sizes(support, members, ways), self._shares(support, members).unsqueeze(-1)
        prototype = F.normalize((members * shares).mT @ rows, dim=-1)
        weight = self._knob("prior", sizes, independent) * prototype
        centre = F.normalize((rows * shares).sum(1), dim=-1)  # where no label of several is likelier than not
        bias = -(weight @ centre.unsqueeze(-1)).squeeze(-1) * independent.unsqueeze(-1)
        task = {"prototype": prototype, "sizes": sizes, "independent": independent, "ways": ways}
        return {"weight": weight, "bias": bias, **task}

    def steps(self, support: Support, start: TaskParams) -> Iterator[TaskParams]:
        """The minimiser nearly, the weights shrunk towards those of `start`; on the way `start`, where it may pause."""
        (members, ways, independent), rows, own = _members(support), _unit(support.rows), self.start(support)
        penalty = self._knob("penalty", own["sizes"], independent)
        shares, offset = self._shares(support, members), _outputs(start, rows)
        has_several = independent if isinstance(support.target, MultiHot) else None
        for layer in fit(rows, shares, members, offset, ways, penalty, self.num_steps, has_several):
            yield {**own, **added(start, layer)} if layer else start

    def predict(self, params: TaskParams, query: Rows) -> Logits:
        """Scaled outputs of the layer; and, of these and of how near the centroids are, whether it is none of them."""
        rows, sizes, independent = _unit(query), params["sizes"], params["independent"]
        cosine = rows @ params["prototype"].mT
        least = (sizes @ self.threshold).masked_fill(~independent, 0)[:, None, None]
        outputs = self._knob("scale", sizes, independent) * _outputs(params, rows) - least
        if self.cosine:
            outputs = outputs + self._knob("cosine", sizes, independent) * cosine
        logits = mask_absent(outputs, params["ways"])
        return Logits(logits, independent, self._unknown(logits, mask_absent(cosine, params["ways"]), sizes))

    def _unknown(
        self, logits: Float[Tensor, "T Q N"], cosine: Float[Tensor, "T Q N"], sizes: Float[Tensor, "T K"]
    ) -> Float[Tensor, "T Q"]:
        """The log-odds that a query is of none of the labels, by how near and how clear the best of them are."""
        (near, next_near), (best, second) = (values.topk(2, -1).values.unbind(-1) for values in (cosine, logits))
        whole = logits.logsumexp(-1)
        of_query = torch.stack([near, best / 16, next_near, (best - whole).exp(), (best - second) / 8, whole / 16], -1)
        unknown: Tensor = self.evidence(torch.cat([of_query, sizes[:, None, 1:].expand(-1, near.shape[1], -1)], -1))
        return unknown

    def _knob(self, name: str, sizes: Float[Tensor, "T K"], independent: Bool[Tensor, "T"]) -> Float[Tensor, "T 1 1"]:
        """A learned constant that is a power of shots and ways."""
        plain, own = (sizes @ self.knobs[:, list(WITH_COSINES).index(name)].mT).unbind(1)
        return torch.where(independent, own, plain).exp()[:, None, None]

    def _shares(self, support: Support, members: Float[Tensor, "T S N"]) -> Float[Tensor, "T S"]:
        """How much each row counts: examples one, names by how many examples their label has, padding nothing."""
        real = support.rows.mask.float()
        if support.names is None:
            return real
        shots = (members * ~support.names.unsqueeze(-1)).sum(1, keepdim=True)
        own = (members * shots).sum(-1)
        return torch.where(support.names, (self.log_name - self.fading * own.log1p()).exp(), 1) * real


class Evidence(nn.Module):
    """A weighted sum that begins with what is known to tell, that nothing is near and no label sure; and a network."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        width = NUM_EVIDENCE + NUM_SIZES - 1
        self.sum = nn.Linear(width, 1)
        self.hidden, self.word = nn.Linear(width, hidden), nn.Linear(hidden, 1, bias=False)
        with torch.no_grad():
            self.sum.weight.copy_(torch.tensor([-8.0, -8.0] + (width - 2) * [0.0]))
            self.sum.bias.fill_(8.0)
            self.word.weight.mul_(0.1)

    def forward(self, evidence: Float[Tensor, "T Q E"]) -> Float[Tensor, "T Q"]:
        """The log-odds."""
        both: Tensor = self.sum(evidence) + self.word(self.hidden(evidence).tanh())
        return both.squeeze(-1)


def _sizes(support: Support, members: Float[Tensor, "T S N"], ways: Bool[Tensor, "T N"]) -> Float[Tensor, "T K"]:
    """What the constants of a task depend on."""
    num_ways = ways.sum(1).float()
    names = torch.zeros_like(support.rows.mask) if support.names is None else support.names
    named, shots = ((members * rows.unsqueeze(-1)).sum((1, 2)) / num_ways for rows in (names, ~names))
    return torch.stack([torch.ones_like(shots), shots.log1p(), num_ways.log(), named], 1)


def _members(support: Support) -> tuple[Float[Tensor, "T S N"], Bool[Tensor, "T N"], Bool[Tensor, "T"]]:
    """Which labels each row has, which ways are real, and which tasks have labels that do not exclude each other."""
    target = support.target
    if isinstance(target, Classes):
        return target.one_hot(support.rows.mask), target.ways, torch.zeros_like(target.ways[:, 0])
    if isinstance(target, MultiHot):
        members = (target.values & support.rows.mask.unsqueeze(-1)).float()
        return members, target.ways, torch.ones_like(target.ways[:, 0])
    raise TypeError("this head classifies: its support must carry labels")


def _unit(rows: Rows) -> Float[Tensor, "T R D"]:
    return F.normalize(rows.values.float(), dim=-1)


def _outputs(params: TaskParams, rows: Float[Tensor, "T R D"]) -> Float[Tensor, "T R N"]:
    return rows @ params["weight"].mT + params["bias"].unsqueeze(1)
