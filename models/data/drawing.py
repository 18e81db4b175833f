"""Fresh drawings from stored ones: symmetry, slant, wobble, pen width, coarse scans, noise."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Generator, Tensor

from models.inputs.image import CEILING, FLOOR, GlyphInput

NUM_SYMMETRIES = 8  # four quarter turns, each also mirrored: every one makes a new character of a character
NUM_DIRECTIONS = 32


@dataclass(frozen=True)
class Style:
    """How far a drawing may stray; every number is the width of a uniform or the deviation of a normal draw."""

    rotation: float = 0.2  # radians
    shear: float = 0.15
    stretch: float = 0.15  # log of the aspect
    wobble: float = 0.06  # elastic displacement, in halves of the frame
    shift_px: float = 1.0
    bold_px: float = 3.0  # how much a pen stroke may grow to each side
    coarse: float = 0.3  # share of episodes drawn as a low-resolution scan
    coarse_px: tuple[int, int] = (7, 20)
    noise: float = 0.06


@dataclass(frozen=True)
class Draws:
    """The randomness of several tasks with equally many drawings each: what a task draws depends on its own alone."""

    generators: Sequence[Generator]

    def rand(self, num: int, *shape: int) -> Tensor:
        """Uniform over 0..1, `num` rows for all tasks together."""
        return torch.cat([torch.rand(num // len(self.generators), *shape, generator=g) for g in self.generators])

    def randn(self, num: int, *shape: int) -> Tensor:
        """Standard normal, `num` rows for all tasks together."""
        return torch.cat([torch.randn(num // len(self.generators), *shape, generator=g) for g in self.generators])

    def uniform(self, num: int, *shape: int) -> Tensor:
        """Uniform over -1..1, `num` rows for all tasks together."""
        return self.rand(num, *shape) * 2 - 1


def outline(images: npt.NDArray[np.uint8]) -> Float[Tensor, "B K 2"]:
    """The farthest ink pixel in each of K directions, in -1..1: their box under any affine map is the ink's box."""
    side = images.shape[-1]
    angles = np.arange(NUM_DIRECTIONS) * 2 * np.pi / NUM_DIRECTIONS
    directions = np.stack([np.cos(angles), np.sin(angles)])
    found = []
    for image in images:
        y, x = np.nonzero(image)
        ink = (np.stack([x, y], axis=1) + 0.5) * 2 / side - 1 if len(x) else np.zeros((1, 2))
        found.append(ink[(ink @ directions).argmax(axis=0)])
    return torch.from_numpy(np.stack(found)).float()


def redraw(
    images: UInt8[Tensor, "B S S"],
    outlines: Float[Tensor, "B K 2"],
    symmetry: Int64[Tensor, "B"],
    coarse: Bool[Tensor, "B"],
    style: Style,
    frame: GlyphInput,
    draws: Draws,
) -> UInt8[Tensor, "B H W"]:
    """One new drawing of each image, framed as `GlyphInput` frames what it is served."""
    warp = _symmetries()[symmetry] @ _affine(len(images), style, draws)
    grid = _grid(outlines @ warp, warp, style, frame, draws)
    ink = F.grid_sample(images.unsqueeze(1).float(), grid, align_corners=False)
    ink = _bolden(ink, coarse, style, draws)
    return _finish(_coarsen(ink, coarse, style, frame, draws), style, draws).squeeze(1)


def _symmetries() -> Float[Tensor, "8 2 2"]:
    """The symmetries of the square, as matrices for row vectors."""
    turn = torch.tensor([[0.0, 1.0], [-1.0, 0.0]])
    mirror = torch.tensor([[-1.0, 0.0], [0.0, 1.0]])
    turns = [torch.linalg.matrix_power(turn, k) for k in range(4)]
    return torch.stack([*turns, *(mirror @ t for t in turns)])


def _affine(num: int, style: Style, draws: Draws) -> Float[Tensor, "B 2 2"]:
    """Small random rotations, shears and stretches."""
    angle, shear, stretch = (draws.uniform(num) * width for width in (style.rotation, style.shear, style.stretch))
    cos, sin, zero = angle.cos(), angle.sin(), torch.zeros(num)
    rotate = torch.stack([cos, sin, -sin, cos], 1).view(-1, 2, 2)
    slant = torch.stack([stretch.exp(), zero, shear, (-stretch).exp()], 1).view(-1, 2, 2)
    return slant @ rotate


def _grid(
    box: Float[Tensor, "B K 2"],
    warp: Float[Tensor, "B 2 2"],
    style: Style,
    frame: GlyphInput,
    draws: Draws,
) -> Float[Tensor, "B H W 2"]:
    """Where in the source each pixel of the frame lies: centred on the warped ink, scaled to it, then wobbled."""
    num, size = len(warp), frame.size
    low, high = box.amin(1), box.amax(1)
    half = ((high - low).amax(1) / 2).clamp_min(0.02) * size / (size - 2 * frame.margin)
    line = (torch.arange(size) + 0.5) * 2 / size - 1
    pixels = torch.stack(torch.meshgrid(line, line, indexing="xy"), -1).expand(num, -1, -1, -1)
    knots = draws.randn(num, 2, 5, 5) * (style.wobble / 2)
    wobble = F.interpolate(knots, size, mode="bicubic", align_corners=True).permute(0, 2, 3, 1)
    shift = draws.uniform(num, 1, 1, 2) * (style.shift_px * 2 / size)
    placed = (pixels + wobble + shift) * half.view(-1, 1, 1, 1) + ((low + high) / 2).view(-1, 1, 1, 2)
    grid: Tensor = placed @ torch.linalg.inv(warp).unsqueeze(1)
    return grid


def _bolden(
    ink: Float[Tensor, "B 1 H W"], coarse: Bool[Tensor, "B"], style: Style, draws: Draws
) -> Float[Tensor, "B 1 H W"]:
    """Strokes grown by a random, fractional number of pixels; a coarse scan is more often of a thick pen."""
    grow = draws.rand(len(ink))
    grow = torch.where(coarse, grow, grow**3) * style.bold_px
    for ring in range(int(np.ceil(style.bold_px))):
        tall, wide = _spread(ink, 2), _spread(ink, 3)
        wider = _spread(tall, 3) if ring % 2 else torch.maximum(tall, wide)  # in turns: the pen is nearly round
        ink = torch.lerp(ink, wider, (grow - ring).clamp(0, 1).view(-1, 1, 1, 1))
    return ink


def _spread(ink: Float[Tensor, "B 1 H W"], axis: int) -> Float[Tensor, "B 1 H W"]:
    """The maximum with both neighbours along an axis; several times faster than max pooling."""
    size = ink.shape[axis] - 1
    spread, low, high = ink.clone(), ink.narrow(axis, 0, size), ink.narrow(axis, 1, size)
    for place, neighbour in ((spread.narrow(axis, 1, size), low), (spread.narrow(axis, 0, size), high)):
        torch.maximum(place, neighbour, out=place)
    return spread


def _coarsen(
    ink: Float[Tensor, "B 1 H W"], coarse: Bool[Tensor, "B"], style: Style, frame: GlyphInput, draws: Draws
) -> Float[Tensor, "B 1 H W"]:
    """The marked drawings as scans of few pixels, as many for all of a task, enlarged again."""
    for rows, generator in zip(torch.arange(len(ink)).chunk(len(draws.generators)), draws.generators, strict=True):
        pixels = int(torch.randint(*style.coarse_px, (), generator=generator))
        if len(marked := rows[coarse[rows]]):
            ink = ink.index_copy(0, marked, _scanned(ink[marked], pixels, frame))
    return ink


def _scanned(ink: Float[Tensor, "B 1 H W"], pixels: int, frame: GlyphInput) -> Float[Tensor, "B 1 H W"]:
    edge, inner = frame.margin, frame.size - 2 * frame.margin
    small = F.interpolate(ink[:, :, edge:-edge, edge:-edge], pixels, mode="area")
    large = F.interpolate(small, inner, mode="bicubic", align_corners=False)
    return F.pad(large, (edge,) * 4)


def _finish(ink: Float[Tensor, "B 1 H W"], style: Style, draws: Draws) -> UInt8[Tensor, "B 1 H W"]:
    """A little blur and noise, then the same stretch of contrast as in serving."""
    blur = draws.rand(len(ink), 1, 1, 1) * 0.7
    ink = torch.lerp(ink, F.avg_pool2d(ink, 3, 1, 1, count_include_pad=False), blur)
    noise = draws.rand(len(ink), 1, 1, 1) * style.noise
    share = ink / ink.amax((2, 3), keepdim=True).clamp_min(0.05) + noise * draws.randn(*ink.shape)
    return (((share - FLOOR) / (CEILING - FLOOR)).clamp(0, 1) * 255).round().to(torch.uint8)
