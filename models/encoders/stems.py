"""A stem a modality, into features of one width: what one trunk behind them can serve, whatever came in."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Shaped
from torch import Tensor, nn


class Stems(nn.Module):
    """Glyphs, texts or vectors -> features: `columns` places for the numbers of a vector, then `width` learned ones.

    Rows are of one modality, which their type tells: bytes are glyphs, whole numbers tokens, the others vectors. A
    vector is passed on as it is, zeros behind it: its columns have the units of their sender, which a head learns from
    the task. Of images and texts the columns are zero, and the features of unit length.
    """

    def __init__(
        self, image: nn.Module, text: nn.Module, image_width: int, text_width: int, width: int = 128, columns: int = 64
    ) -> None:
        super().__init__()
        self.image, self.text = image, text
        self.of_image, self.of_text = nn.Linear(image_width, width), nn.Linear(text_width, width)
        self.columns, self.width = columns, width

    def forward(self, rows: Shaped[Tensor, "B *X"]) -> Float[Tensor, "B F"]:
        """Features of each row."""
        if rows.is_floating_point():
            return F.pad(rows, (0, self.columns + self.width - rows.shape[1]))
        is_image = rows.dtype == torch.uint8
        learned = self.of_image(self.image(rows)) if is_image else self.of_text(self.text(rows))
        return F.pad(F.normalize(learned, dim=-1), (self.columns, 0))
