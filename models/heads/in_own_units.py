"""Columns in units of the task's own spread, then layers that all tasks share, then a head."""

import math
from collections.abc import Iterator
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from models.heads.head import Head
from models.types import Gaussian, Rows, Scores, Support, TaskParams

CENTRE, SPREAD = "unit_centre", "unit_spread"
CONSTANT = 1e-3  # a column is believed to vary by this share of its size, also where its rows do not show it
LEAST = 1e-37  # of a variance, in single precision
RESOLUTION = 1e-6  # what single precision tells apart, as a share of a number's size
FARTHEST = 6.0  # spreads from the centre: beyond, numbers only say that they are far


class InOwnUnits(Head):
    """A head behind a body that stays as it is; what the task changes before it is the unit of each column.

    The first `columns` features are numbers in their senders' units: they are centred and divided by their spread over
    the support, and by the root of how many columns vary, so that a row's squared length is about one. The rest goes
    as it is. The body is in here and not in the encoder since it must see vectors of any sender alike.
    `constant` and `farthest` stand for the constants above; with `alone`, a column that does not vary over the support
    has its own size as its spread, and where that is 0, 1. Numbers are predicted with deviations that grow in
    proportion to the distance beyond `reach` spreads, as far as training went.
    """

    def __init__(
        self,
        columns: int,
        body: nn.Module,
        head: Head,
        constant: float = CONSTANT,
        farthest: float = FARTHEST,
        alone: bool = False,
        reach: float = math.inf,
    ) -> None:
        super().__init__()
        self.columns, self.body, self.head = columns, body, head
        self.constant, self.farthest, self.alone, self.reach = constant, farthest, alone, reach
        self.balance, self.factors = head.balance, head.factors
        self.layout = {CENTRE: str(columns), SPREAD: str(columns), **head.layout}

    def start(self, support: Support) -> TaskParams:
        """The units of this support, and where the head starts in them."""
        values, real = support.rows.values[..., : self.columns].float(), support.rows.mask.unsqueeze(-1)
        num = real.sum(1)
        centre = (values * real).sum(1) / num
        off = (values - centre.unsqueeze(1)) * real
        variance = off.square().sum(1) / num + (self.constant * centre).square()
        if self.alone:
            size = torch.where(centre == 0, 1, centre)
            variance = torch.where(variance > (RESOLUTION * centre).square(), variance, size.square())
        varies = (variance > LEAST).sum(-1, keepdim=True).clamp(min=1)
        own = {CENTRE: centre, SPREAD: ((variance + LEAST) * varies).sqrt()}
        return {**own, **self.head.start(replace(support, rows=self._seen(own, support.rows)))}

    def steps(self, support: Support, start: TaskParams) -> Iterator[TaskParams]:
        """The steps of the head, in the units of `start`."""
        own = {leaf: start[leaf] for leaf in (CENTRE, SPREAD)}
        rest = {leaf: value for leaf, value in start.items() if leaf not in own}
        for params in self.head.steps(replace(support, rows=self._seen(own, support.rows)), rest):
            yield {**own, **params}

    def predict(self, params: TaskParams, query: Rows) -> Scores:
        """What the head says of the query in these units."""
        rest = {leaf: value for leaf, value in params.items() if leaf not in (CENTRE, SPREAD)}
        scores = self.head.predict(rest, self._seen(params, query))
        if isinstance(scores, Gaussian) and self.reach < math.inf:
            off = self._scaled(params, query.values[..., : self.columns].float()).abs().amax(-1, keepdim=True)
            wider = scores.variance * (off / self.reach).clamp(min=1).square()
            return Gaussian(scores.mean, wider.clamp(max=torch.finfo(wider.dtype).max))
        return scores

    def _seen(self, params: TaskParams, rows: Rows) -> Rows:
        values = rows.values.float()
        seen: Float[Tensor, "T R D"] = self.body(
            torch.cat([self._scaled(params, values[..., : self.columns]), values[..., self.columns :]], -1)
        )
        return replace(rows, values=seen * rows.mask.unsqueeze(-1))

    def _scaled(self, params: TaskParams, columns: Float[Tensor, "T R C"]) -> Float[Tensor, "T R C"]:
        """Numbers far beyond what the support has are held back."""
        spread = params[SPREAD].unsqueeze(1)
        off = (columns - params[CENTRE].unsqueeze(1)) / spread
        return self.farthest * (off / self.farthest).tanh()
