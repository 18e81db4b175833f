"""The first block of a Conv-4 where its gradients are wanted, a few pictures at a time.

Over one grey channel it computes little (nine taps) and moves much (64 planes at full size): it was 40% of a training
step, nearly all of it memory. Two identities keep the planes inside the cache, and most of them off the backward pass:

- mean and variance of a channel over a picture follow from mean and covariance of the picture's 3x3 patches;
- norm and ReLU are monotone, so that they commute with the maximum: the pool comes first, with the taps of a channel
  whose norm falls (has a negative weight) negated.
"""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Shaped
from torch import Tensor, nn

ROWS = 8  # pictures at a time: their 64 planes of 28x28 are 1.6 MB, and what is made of them finds them in the cache
SIDE = 3  # of the taps

aten = torch.ops.aten


def pooled_stem(pictures: Float[Tensor, "B 1 H W"], conv: nn.Conv2d, norm: nn.GroupNorm) -> Float[Tensor, "B C h w"]:
    """`relu(max_pool2d(norm(conv(pictures)), 2))` to rounding, for gradients of the first order by the weights.

    Autocast passes it by: pools of bfloat16 lose more than its one convolution gains.
    """
    with torch.autocast("cpu", enabled=False):
        scale, shift = _normaliser(pictures, conv, norm)
        kernel = conv.weight * torch.where(norm.weight < 0, -1.0, 1.0).view(-1, 1, 1, 1)
        pooled: Tensor = _Pooled.apply(pictures, kernel, scale, shift)  # type: ignore[no-untyped-call]  # no stub
    return pooled


def _normaliser(
    pictures: Float[Tensor, "B 1 H W"], conv: nn.Conv2d, norm: nn.GroupNorm
) -> tuple[Float[Tensor, "B C"], Float[Tensor, "B C"]]:
    """The norm as a scale and a shift of each channel, its statistics from the moments of the patches."""
    assert conv.bias is not None
    taps: Float[Tensor, "C K"] = conv.weight.flatten(1)
    mean, covariance = patch_moments(pictures)
    pairs = (taps.unsqueeze(2) * taps.unsqueeze(1)).flatten(1)
    centres = torch.unflatten(mean @ taps.T + conv.bias, 1, (norm.num_groups, -1))
    spreads = torch.unflatten(covariance.flatten(1) @ pairs.T, 1, (norm.num_groups, -1))
    centre = centres.mean(2, keepdim=True)
    variance = (spreads + (centres - centre).square()).mean(2, keepdim=True)
    inverse = (variance + norm.eps).rsqrt().expand_as(centres).flatten(1)
    shift = norm.bias + norm.weight * inverse * (conv.bias - centre.expand_as(centres).flatten(1))
    return norm.weight.abs() * inverse, shift


@torch.no_grad()
def patch_moments(
    pictures: Float[Tensor, "B 1 H W"],
) -> tuple[Float[Tensor, "B K"], Float[Tensor, "B K K"]]:
    """Mean and covariance of each picture's 3x3 patches, as a convolution padded with zeros sees them."""
    H, W = pictures.shape[2:]
    means, covariances = [], []
    for part in torch.split(pictures, ROWS):
        padded = F.pad(part.squeeze(1), (1, 1, 1, 1))
        moved = [padded[:, row : row + H, column : column + W] for row in range(SIDE) for column in range(SIDE)]
        patches = torch.stack(moved, 1).flatten(2)
        mean = patches.mean(2, keepdim=True)
        centred = patches - mean
        means.append(mean.squeeze(2))
        covariances.append(centred @ centred.mT / (H * W))
    return torch.cat(means), torch.cat(covariances)


class _Pooled(torch.autograd.Function):
    """relu(scale * max_pool2d(conv2d(pictures, kernel), 2) + shift); the scales are not negative."""

    @staticmethod
    def forward(
        ctx: Any,
        pictures: Float[Tensor, "B 1 H W"],
        kernel: Float[Tensor, "C 1 3 3"],
        scale: Float[Tensor, "B C"],
        shift: Float[Tensor, "B C"],
    ) -> Float[Tensor, "B C h w"]:
        kernel = kernel.to(memory_format=torch.channels_last)
        size = (len(pictures), len(kernel), *(side // 2 for side in pictures.shape[2:]))
        pooled = torch.empty(size, dtype=scale.dtype, device=scale.device, memory_format=torch.channels_last)
        tops, winners = [], []
        for part, by, to, out in zip(*_split(pictures, _spread(scale), _spread(shift), pooled), strict=True):
            top, winner = F.max_pool2d(F.conv2d(part, kernel, padding=1), 2, return_indices=True)
            torch.addcmul(to, by, top, out=out).relu_()
            tops.append(top)
            winners.append(winner)
        ctx.save_for_backward(pictures, kernel, scale, pooled, *tops, *winners)
        return pooled

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Float[Tensor, "B C h w"]) -> tuple[Tensor | None, ...]:
        pictures, kernel, scale, pooled, *saved = ctx.saved_tensors
        tops, winners = saved[: len(saved) // 2], saved[len(saved) // 2 :]
        to_kernel, to_scale, to_shift = torch.zeros_like(kernel), [], []
        parts = zip(*_split(pictures, _spread(scale), pooled, gradient), tops, winners, strict=True)
        for part, by, out, own, top, winner in parts:
            own = aten.threshold_backward(own, out, 0)
            to_scale.append((own * top).sum((2, 3)))
            to_shift.append(own.sum((2, 3)))
            to_kernel += _kernel_gradient(own * by, winner, part, kernel)
        return None, to_kernel, torch.cat(to_scale), torch.cat(to_shift)


def _kernel_gradient(
    gradient: Float[Tensor, "B C h w"],
    winner: Shaped[Tensor, "B C h w"],
    pictures: Float[Tensor, "B 1 H W"],
    kernel: Float[Tensor, "C 1 3 3"],
) -> Float[Tensor, "C 1 3 3"]:
    """The gradient of the taps, by the operators that autograd itself would call."""
    size = (len(pictures), len(kernel), *pictures.shape[2:])
    like = torch.empty(size, dtype=gradient.dtype, device=gradient.device, memory_format=torch.channels_last)
    pair, one, none = [2, 2], [1, 1], [0, 0]
    planes = aten.max_pool2d_with_indices_backward(gradient, like, pair, pair, none, one, False, winner)
    wanted = [False, True, False]
    gradients = aten.convolution_backward(planes, pictures, kernel, None, one, one, one, False, none, 1, wanted)
    of_kernel: Tensor = gradients[1]
    return of_kernel


def _split(*tensors: Tensor) -> list[tuple[Tensor, ...]]:
    return [torch.split(tensor, ROWS) for tensor in tensors]


def _spread(values: Float[Tensor, "B C"]) -> Float[Tensor, "B C 1 1"]:
    return values.unsqueeze(-1).unsqueeze(-1)
