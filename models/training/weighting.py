"""What each loss of several counts in their sum: fixed, by its own noise, or so that no step works against any."""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

KINDS = ("fixed", "uncertainty", "upgrad")
BOUND = 4.0  # weights by noise stay within e^-4 and e^4: a loss that reaches zero cannot take over
GAIN = 10.0  # of a noise over what is trained: it is found in a hundred steps at the rate of a network's weights
KEPT = 0.99  # of the weights that are shown, from one step to the next


class Weighting(nn.Module):
    """L = sum of lambda_T L_T over the losses that are there; where a label is missing, so is its loss.

    "fixed": the weights that are `given`, else one each. "uncertainty": each loss is divided by its noise, which is
    learned, and the logarithm of the noise is added (Kendall, Gal and Cipolla 2018); that is meant for losses which are
    never below zero: cross-entropies, halves of squared errors. "upgrad": at each step the weights whose step comes
    nearest to the plain sum's without going against any loss (UPGrad, Quinton and Rey 2024; the library torchjd, extra
    `train`): it costs a backward pass a loss. With all of them no conflict means weights of one.
    """

    seen: Float[Tensor, "K"]  # what is shown of weights that are found at each step: their moving averages
    given: Float[Tensor, "K"]

    def __init__(self, names: Sequence[str], kind: str = "fixed", given: Mapping[str, float] | None = None) -> None:
        super().__init__()
        if kind not in KINDS:
            raise ValueError(f"there are no weights of the kind {kind!r}; there are {', '.join(KINDS)}")
        if unknown := set(given or {}) - set(names):
            raise ValueError(f"weights for {', '.join(sorted(unknown))}, which are no losses here")
        self.names, self.kind = tuple(names), kind
        self.log_noise = nn.Parameter(torch.zeros(len(names)), requires_grad=kind == "uncertainty")
        self.register_buffer("seen", torch.ones(len(names)))
        weights = torch.tensor([float((given or {}).get(name, 1.0)) for name in names])
        self.register_buffer("given", weights, persistent=False)

    def forward(self, losses: Mapping[str, Float[Tensor, ""]], shared: Sequence[Tensor] = ()) -> Float[Tensor, ""]:
        """What to go down: the weighted sum. `shared` are the parameters that all losses pull at; upgrad needs them."""
        places = torch.tensor([self.names.index(name) for name in losses])
        each = torch.stack(list(losses.values()))
        if self.kind == "fixed":
            return (self.given[places] * each).sum()
        if self.kind == "uncertainty":
            log_noise = self._log_noise()[places]
            return ((-log_noise).exp() * each + log_noise / 2).sum()
        weights = without_conflict(each, shared)
        with torch.no_grad():
            self.seen[places] = torch.lerp(weights, self.seen[places], KEPT)
        return (weights * each).sum()

    def shown(self) -> dict[str, float]:
        """Each loss's weight as it stands."""
        by_kind = {"fixed": self.given, "uncertainty": (-self._log_noise()).exp(), "upgrad": self.seen}
        return dict(zip(self.names, by_kind[self.kind].detach().tolist(), strict=True))

    def _log_noise(self) -> Float[Tensor, "K"]:
        return BOUND * (GAIN * self.log_noise / BOUND).tanh()


def without_conflict(losses: Float[Tensor, "K"], shared: Sequence[Tensor]) -> Float[Tensor, "K"]:
    """The weights of UPGrad, from how the losses' gradients by the shared parameters lie to each other."""
    from torchjd.aggregation import UPGradWeighting

    if not shared:
        raise ValueError("where losses pull at parameters that they share, name these")
    gradients = [_gradient(loss, shared) for loss in losses]
    jacobian: Float[Tensor, "K P"] = torch.stack(gradients)
    weights: Tensor = UPGradWeighting(pref_vector=torch.ones_like(losses.detach()))(jacobian @ jacobian.mT)
    return weights.to(losses.dtype)


def _gradient(loss: Float[Tensor, ""], shared: Sequence[Tensor]) -> Float[Tensor, "P"]:
    found = torch.autograd.grad(loss, shared, retain_graph=True, allow_unused=True, materialize_grads=True)
    return torch.cat([leaf.flatten() for leaf in found])
