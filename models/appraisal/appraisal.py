"""From the signs of a support to what is to be expected: an interval, a temperature, how low right scores will be."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from models.appraisal.signs import NUM_CLASS_SIGNS, NUM_VALUE_SIGNS

LEVEL = 0.9  # of the intervals
QUANTILES = (0.05, 0.1, 0.5, 0.9, 0.95)
LEVELS = (0.5, 0.8, 0.9, 0.95, 0.99)  # of the coverage of label sets
LEAST, MOST = 0.002, 0.998  # an accuracy further out is not told from all or nothing
HOTTEST = 2.0  # log of a temperature
LEAST_LEFT = 1e-3  # of the variance: less is not told from none
FULL = 3.9  # log-odds of 98%, which may well be every query right: no upper end is needed
BINS = (1.5, 3.0, 7.0)  # examples a label, or all of a regression, between which intervals are widened alike
REGRESSION_BINS = (3.5, 6.5, 12.5)


@dataclass(frozen=True)
class Appraised:
    """Of each task: low, middle and high of its figure; what its logits are to be divided by, so that probabilities are
    true; and the log-probability that those of right labels then seldom fall below."""

    interval: Float[Tensor, "T 3"]
    thresholds: Float[Tensor, "T C"] | None
    temperature: Float[Tensor, "T"]


class Appraisal(nn.Module):
    """A linear map and a small network of the signs; then what intervals and thresholds lacked on tasks apart.

    The figure is in log-odds of accuracy, or in the log of the share of variance that is left unexplained, of which
    less is better.
    """

    mean: Tensor
    spread: Tensor
    widths: Tensor
    shifts: Tensor
    warmth: Tensor

    def __init__(self, kind: str, hidden: int = 24) -> None:
        super().__init__()
        self.kind = kind
        num_signs = NUM_VALUE_SIGNS if self.is_regression else NUM_CLASS_SIGNS
        num_out = len(QUANTILES) + (0 if self.is_regression else len(LEVELS))
        self.line = nn.Linear(num_signs, num_out)
        self.hidden, self.out = nn.Linear(num_signs, hidden), nn.Linear(hidden, num_out, bias=False)
        self.heat = nn.Linear(num_signs, 1)  # the log of the temperature; none, unless it is fitted
        nn.init.zeros_(self.heat.weight)
        nn.init.zeros_(self.heat.bias)
        self.register_buffer("mean", torch.zeros(num_signs))
        self.register_buffer("spread", torch.ones(num_signs))
        self.register_buffer("widths", torch.zeros(len(BINS) + 1))
        self.register_buffer("shifts", torch.zeros(len(BINS) + 1, len(LEVELS)))
        self.register_buffer("warmth", torch.zeros(len(BINS) + 1))

    @property
    def is_regression(self) -> bool:
        """Whether it tells of R2 instead of accuracy."""
        return self.kind == "regression"

    def forward(self, signs: Float[Tensor, "T F"]) -> Float[Tensor, "T C"]:
        """Quantiles of the figure in ascending order, and those of right labels' log-probabilities."""
        units = self.units(signs)
        raw: Tensor = self.line(units) + self.out(self.hidden(units).tanh())
        quantiles, thresholds = raw[:, : len(QUANTILES)], raw[:, len(QUANTILES) :]
        return torch.cat([quantiles.sort(-1).values, thresholds.sort(-1, descending=True).values], -1)

    def units(self, signs: Float[Tensor, "T F"]) -> Float[Tensor, "T F"]:
        """Signs in spreads from the mean of those that were fitted to, which none is far beyond."""
        return ((signs - self.mean) / self.spread).clamp(-4, 4)

    def temperature(self, signs: Float[Tensor, "T F"]) -> Float[Tensor, "T"]:
        """What logits are to be divided by; one, unless that was fitted."""
        log: Tensor = self.heat(self.units(signs)).squeeze(1) + self.warmth[self.bins(signs)]
        return log.clamp(-HOTTEST, HOTTEST).exp()

    def appraise(self, signs: Float[Tensor, "T F"]) -> Appraised:
        """What is to be expected, in accuracy or R2."""
        raw, which = self(signs), self.bins(signs)
        low, middle, high = self.ends(raw)
        widths = self.widths[which]
        ends = torch.stack([low - widths, middle, high + widths], -1).sort(-1).values
        if self.is_regression:
            return Appraised((1 + LEAST_LEFT - ends.exp()).clamp(-1, 1).flip(-1), None, torch.ones_like(middle))
        told = ends.sigmoid()
        told = torch.where(told >= MOST, 1.0, torch.where(told <= LEAST, 0.0, told))
        return Appraised(told, raw[:, len(QUANTILES) :] + self.shifts[which], self.temperature(signs))

    def ends(self, raw: Float[Tensor, "T C"]) -> tuple[Float[Tensor, "T"], Float[Tensor, "T"], Float[Tensor, "T"]]:
        """The interval before it is widened; open above where all queries may well be right."""
        low, less_low, middle, less_high, high = raw[:, : len(QUANTILES)].unbind(-1)
        if self.is_regression:
            return low, middle, high
        is_full = less_high >= FULL
        return torch.where(is_full, less_low, low), middle, torch.where(is_full, torch.inf, high)

    def bins(self, signs: Float[Tensor, "T F"]) -> Tensor:
        """Which tasks have about as many examples."""
        edges = REGRESSION_BINS if self.is_regression else BINS
        return torch.bucketize(signs[:, 0].expm1(), torch.tensor(edges, device=signs.device))
