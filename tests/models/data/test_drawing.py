import numpy as np
import torch

from models.data.drawing import NUM_DIRECTIONS, NUM_SYMMETRIES, Draws, Style, _symmetries, outline, redraw
from models.data.episodes import generator
from models.inputs.image import GlyphInput
from tests.models.training.tiny import omniglot

STILL = Style(rotation=0.0, shear=0.0, stretch=0.0, wobble=0.0, shift_px=0.0, bold_px=0.0, coarse=0.0, noise=0.0)
FRAME = GlyphInput()


def drawings() -> np.ndarray:
    return omniglot().images[:, 0]


def redrawn(style: Style, coarse: bool = False, seed: int = 0) -> torch.Tensor:
    images = drawings()
    num = len(images)
    marked = torch.full((num,), coarse)
    symmetry = torch.zeros(num, dtype=torch.long)
    return redraw(
        torch.from_numpy(images), outline(images), symmetry, marked, style, FRAME, Draws([generator(seed, 0)])
    )  # fmt: skip


def test_without_any_straying_a_drawing_looks_as_it_would_be_served() -> None:
    served = np.stack([FRAME(image * np.uint8(255)) for image in drawings()])
    difference = np.abs(served.astype(float) - redrawn(STILL).numpy())
    assert difference.mean() < 12  # of 255: the edges of strokes, half a pixel and a little blur


def test_the_outline_spans_the_ink() -> None:
    image = np.zeros((1, 105, 105), np.uint8)
    image[0, 30:50, 10:95] = 1
    points = outline(image)
    assert points.shape == (1, NUM_DIRECTIONS, 2)
    low, high = (points[0].amin(0) + 1) * 105 / 2, (points[0].amax(0) + 1) * 105 / 2
    torch.testing.assert_close(low, torch.tensor([10.5, 30.5]))
    torch.testing.assert_close(high, torch.tensor([94.5, 49.5]))


def test_a_drawing_without_ink_is_harmless() -> None:
    blank = np.zeros((2, 105, 105), np.uint8)
    none = torch.zeros(2, dtype=torch.long)
    drawn = redraw(torch.from_numpy(blank), outline(blank), none, none.bool(), STILL, FRAME, Draws([generator(0, 0)]))
    assert not drawn.any()


def test_the_symmetries_are_those_of_the_square() -> None:
    matrices = _symmetries()
    assert len({tuple(matrix.flatten().round().int().tolist()) for matrix in matrices}) == NUM_SYMMETRIES
    torch.testing.assert_close(matrices @ matrices.mT, torch.eye(2).expand(8, -1, -1))


def test_drawings_repeat_with_the_seed_and_differ_without() -> None:
    first, again, other = redrawn(Style()), redrawn(Style()), redrawn(Style(), seed=1)
    assert torch.equal(first, again)
    assert (first != other).float().mean() > 0.05


def grey(drawn: torch.Tensor) -> float:
    return float(((drawn > 32) & (drawn < 224)).float().mean())


def test_a_coarse_drawing_has_wider_edges() -> None:
    style = Style(coarse_px=(7, 8), noise=0.0)
    assert grey(redrawn(style, coarse=True)) > 1.5 * grey(redrawn(style))
