"""Tables in context: what was learned from made-up tables says what to attend to in this one (prior-fitted networks).

Müller et al. (2022) train a network to do Bayesian prediction on data sets drawn from a prior, Hollmann et al. (2023)
do so for tables; here the network does not see rows, but how columns hang together with the classes, and chooses the
kernels that rows attend to each other by, as in amortised Gaussian processes (Liu et al. 2020).
"""

from collections.abc import Generator, Iterator

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from models.heads.cells import Cells, Columns, cells_of, columns_of, gaps, products
from models.heads.evidence import (
    NUM_EVIDENCE,
    NUM_KERNELS,
    NUM_PRODUCTS,
    NUM_WEIGHTS,
    PRODUCTS,
    attention,
    fitted,
    gathered,
)
from models.heads.head import Head, classes_of, mask_absent
from models.heads.traits import NUM_SIZES, NUM_TRAITS, Sums, sizes_of, traits_of
from models.inputs.table import MISSING
from models.types import Logits, Rows, Support, TaskParams

NUM_NOTES = 8
MAX_PAIRS = 2**24  # of rows, column by column, of the tasks that are adapted together
STEP_CELLS = 2**19  # of them that are held against each other in one step
STEP_SOLVED = 2**25  # multiplications of one step, or those of one kernel


class InContext(Head):
    """Keys are the support's cells, values what kernel ridge makes of its classes, and attention is a mix of kernels.

    A small network, the same for every column, weighs columns by how classes differ in them; another sets noises; a
    third, which sees how well each way predicts support rows that are left out, sets how much each way counts. It is
    the same for every column, class and row, so that none has a place. Where a task starts from does not matter.
    """

    balance = 1.0

    def __init__(self, hidden: int = 32) -> None:
        super().__init__()
        self.layout = {
            "keys": "S L 3",
            "places": "S L 2",
            "values": f"{NUM_KERNELS} S N",
            "members": "S N",
            "weights": f"L {NUM_WEIGHTS}",
            "mix": f"{NUM_EVIDENCE}",
            "notes": f"{NUM_NOTES}",
            "ways": "N",
        }
        self.column = nn.Sequential(nn.Linear(NUM_TRAITS + NUM_SIZES, hidden), nn.GELU())
        self.together = nn.Sequential(nn.Linear(3 * hidden, hidden), nn.GELU())
        self.weigh = _silent(nn.Linear(hidden, NUM_WEIGHTS))
        self.level = nn.Parameter(_first_weights())
        self.noise = nn.Sequential(
            nn.Linear(hidden + NUM_SIZES, hidden), nn.GELU(), _silent(nn.Linear(hidden, NUM_KERNELS))
        )
        self.quiet = nn.Parameter(torch.tensor([-1.5] * NUM_PRODUCTS + [-1.5, 0.5] * 2))
        self.judge = nn.Sequential(nn.Linear(hidden + NUM_SIZES + 3 * NUM_EVIDENCE, 2 * hidden), nn.GELU())
        self.mixed = _silent(nn.Linear(2 * hidden, NUM_EVIDENCE))
        self.noted = nn.Linear(2 * hidden, NUM_NOTES)
        self.scale = nn.Parameter(_first_scales())
        self.last = nn.Sequential(
            nn.Linear(3 * NUM_EVIDENCE + NUM_NOTES + 2, 2 * hidden), nn.GELU(), _silent(nn.Linear(2 * hidden, 1))
        )

    def start(self, support: Support) -> TaskParams:
        """Nothing attended to."""
        members = classes_of(support).one_hot(support.rows.mask)
        keys = support.rows.values.float()
        T, S, L = keys.shape[:3]
        return {
            "keys": keys,
            "places": keys[..., :2],
            "values": members.new_zeros(T, NUM_KERNELS, S, members.shape[-1]),
            "members": members,
            "weights": members.new_zeros(T, L, NUM_WEIGHTS),
            "mix": members.new_zeros(T, NUM_EVIDENCE),
            "notes": members.new_zeros(T, NUM_NOTES),
            "ways": classes_of(support).ways,
        }

    def steps(self, support: Support, start: TaskParams) -> Iterator[TaskParams]:
        """Columns weighed, values solved for, and all that predicts judged by rows that are left out.

        Some tasks after others, and of each some rows and some kernels after others: before the last step nothing is
        changed.
        """
        own, mask = self.start(support), support.rows.mask
        num = max(1, MAX_PAIRS // (mask.shape[1] ** 2 * own["keys"].shape[2]))
        made = []
        for first in range(0, len(mask), num):
            piece = slice(first, first + num)
            made.append((yield from self._adapted({name: leaf[piece] for name, leaf in own.items()}, mask[piece], own)))
        yield {name: torch.cat([params[name] for params in made]) for name in own}

    def _adapted(
        self, own: TaskParams, mask: Bool[Tensor, "T S"], unchanged: TaskParams
    ) -> Generator[TaskParams, None, TaskParams]:
        keys, members, ways = own["keys"] * mask[..., None, None], own["members"], own["ways"]
        columns, parts, pieces = columns_of(keys, mask), [], _pieces(keys)
        for rows in pieces:
            parts.append(cells_of(keys[:, rows], keys, mask))
            yield unchanged
        cells, sums = Cells.joined(parts), Sums(members, mask)
        for rows in pieces:
            sums.add(gaps(cells.cut(rows), cells, columns.worded), rows)
            yield unchanged
        sizes = sizes_of(members, ways, columns)
        each, pooled = self._columns(traits_of(sums, cells, mask, columns), sizes, columns)
        weights = (self.level + self.weigh(each)).exp() * columns.present.unsqueeze(-1)
        weights = weights / columns.present.sum(1)[:, None, None].clamp(min=1)
        naive = weights[..., -1] * columns.present.sum(1, keepdim=True)
        alone = torch.eye(mask.shape[1], dtype=torch.bool, device=mask.device)
        kernels, others = [], []
        for rows in pieces:
            part = cells.cut(rows)
            found = attention(gaps(part, cells, columns.worded), products(part, cells), weights)
            kernels.append(found.kernels)
            others.append(gathered(found, members, naive, alone[rows]))
            yield unchanged
        task = torch.cat([pooled, sizes], -1)
        noise = (self.noise(task) + self.quiet).exp()
        values, left_out = yield from _fitted(torch.cat(kernels, 1), members, mask, noise, unchanged)
        evidence = _about(torch.cat([left_out, torch.cat(others, 1)], -1), ways)
        judged = self.judge(torch.cat([task, _judgement(evidence * self.scale.exp(), members, ways)], -1))
        mix = (self.scale + self.mixed(judged)).exp()
        places = torch.stack([cells.standard, cells.quantile], -1)
        made = {"keys": keys, "places": places, "values": values, "weights": weights}
        return {**own, **made, "mix": mix, "notes": self.noted(judged)}

    def predict(self, params: TaskParams, query: Rows) -> Logits:
        """The mix of all that predicts, and what a small network says of it, class by class."""
        L = min(params["keys"].shape[2], query.values.shape[2])  # those of the support; others of a query are not read
        keys, members, ways = params["keys"][:, :, :L], params["members"], params["ways"]
        mask, weights, rows = members.any(-1), params["weights"][:, :L], query.values.float()[:, :, :L]
        columns = columns_of(keys, mask)
        standard, quantile = params["places"][:, :, :L].unbind(-1)
        support = Cells(standard, quantile, keys, keys[..., 0] <= MISSING)
        cells = cells_of(rows, keys, mask)
        found = attention(gaps(cells, support, columns.worded), products(cells, support), weights)
        solved = torch.einsum("trsk,tksn->trnk", found.kernels, params["values"])
        naive = weights[..., -1] * columns.present.sum(1, keepdim=True)
        evidence = _about(torch.cat([solved, gathered(found, members, naive, None)], -1), ways)
        evidence = evidence * params["mix"][:, None, None]
        return Logits(mask_absent(self._read(evidence, params["notes"], ways), ways))

    def _columns(
        self, traits: Float[Tensor, "T L F"], sizes: Float[Tensor, "T Z"], columns: Columns
    ) -> tuple[Float[Tensor, "T L H"], Float[Tensor, "T H"]]:
        """What is thought of each column, the others in view, and of them all."""
        present = columns.present.unsqueeze(-1)
        first = self.column(torch.cat([traits, sizes.unsqueeze(1).expand(-1, traits.shape[1], -1)], -1))
        mean = (first * present).sum(1, keepdim=True) / present.sum(1, keepdim=True).clamp(min=1)
        most = first.masked_fill(~present, -1).amax(1, keepdim=True)
        each = self.together(torch.cat([first, mean.expand_as(first), most.expand_as(first)], -1))
        return each, (each * present).sum(1) / present.sum(1).clamp(min=1)

    def _read(
        self, evidence: Float[Tensor, "T R N E"], notes: Float[Tensor, "T Z"], ways: Bool[Tensor, "T N"]
    ) -> Float[Tensor, "T R N"]:
        """The sum of the evidence, and a correction from all evidence for a class and for the best of the others."""
        total = evidence.sum(-1)
        held = evidence.masked_fill(~ways[:, None, :, None], -torch.inf)
        best = held.amax(2, keepdim=True).expand_as(evidence)
        shares = held.softmax(2)
        around = notes[:, None, None].expand(*total.shape, -1)
        log_ways = ways.sum(1).float().log()[:, None, None, None].expand(*total.shape, 1)
        whole = total.masked_fill(~ways.unsqueeze(1), -torch.inf).softmax(-1).unsqueeze(-1)
        seen = torch.cat([evidence.tanh(), (best - evidence).clamp(max=8), shares, around, log_ways, whole], -1)
        correction: Tensor = self.last(seen).squeeze(-1)
        return total + correction


def _first_weights() -> Float[Tensor, "W"]:
    products = torch.tensor(PRODUCTS).unsqueeze(1) * torch.tensor([0.15, 0.25, 0.25, 0.8])
    return torch.cat([products.flatten(), torch.tensor([0.5, 0.5, 1.0, 0.5, 0.5, 1.0, 1.0, 1.0, 0.5])]).log()


def _first_scales() -> Float[Tensor, "E"]:
    kernels, others = torch.full((NUM_KERNELS,), 0.4), torch.full((NUM_PRODUCTS,), 0.05)
    return torch.cat([kernels, others, torch.tensor([0.1])]).log()


def _silent(layer: nn.Linear) -> nn.Linear:
    nn.init.normal_(layer.weight, std=0.01)
    nn.init.zeros_(layer.bias)
    return layer


def _pieces(keys: Float[Tensor, "T S L 3"]) -> list[slice]:
    """Cuts of the rows, as many a step as are to be held against all."""
    num_tasks, num_rows, num_columns = keys.shape[:3]
    step = max(1, STEP_CELLS // max(1, num_tasks * num_rows * num_columns))
    return [slice(first, first + step) for first in range(0, num_rows, step)]


def _fitted(
    kernels: Float[Tensor, "T S S K"],
    members: Float[Tensor, "T S N"],
    mask: Bool[Tensor, "T S"],
    noise: Float[Tensor, "T K"],
    unchanged: TaskParams,
) -> Generator[TaskParams, None, tuple[Float[Tensor, "T K S N"], Float[Tensor, "T S N K"]]]:
    """What each kernel makes of the classes, some kernels a step."""
    step, made = max(1, STEP_SOLVED // mask.numel() // mask.shape[1] ** 2), []
    for first in range(0, NUM_KERNELS, step):
        some = slice(first, first + step)
        made.append(fitted(kernels[..., some], members, mask, noise[:, some]))
        yield unchanged
    return torch.cat([values for values, _ in made], 1), torch.cat([left_out for _, left_out in made], -1)


def _about(evidence: Float[Tensor, "T R N E"], ways: Bool[Tensor, "T N"]) -> Float[Tensor, "T R N E"]:
    """Evidence less its mean over the classes; zero for ways that are not real."""
    real = ways[:, None, :, None]
    mean = (evidence * real).sum(2, keepdim=True) / ways.sum(1)[:, None, None, None]
    return (evidence - mean) * real


def _judgement(
    evidence: Float[Tensor, "T S N E"], members: Float[Tensor, "T S N"], ways: Bool[Tensor, "T N"]
) -> Float[Tensor, "T F"]:
    """How well each way alone predicts the rows of the support that are left out: margin, surprise, and how often."""
    held = evidence.masked_fill(~ways[:, None, :, None], -torch.inf)
    own = (evidence * members.unsqueeze(-1)).sum(2)
    rival = held.masked_fill(members.bool().unsqueeze(-1), -torch.inf).amax(2)
    real = members.sum(-1, keepdim=True)
    count = real.sum(1)
    margin = torch.where(real > 0, own - rival, 0.0)
    surprise = torch.where(real > 0, held.logsumexp(2) - own, 0.0)
    right = (margin / 0.3).tanh()
    told = [margin.clamp(-4, 4).sum(1), surprise.clamp(max=8).sum(1), right.sum(1)]
    return torch.cat([each / count for each in told], -1)
