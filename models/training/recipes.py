"""Every training run: a function of the folder of data sets, by its name; all but the comparison ship a model."""

from collections.abc import Callable
from pathlib import Path

from models.training.curves import curves
from models.training.glyphs import glyphs
from models.training.glyphs_maml import glyphs_maml
from models.training.omniglot import omniglot
from models.training.train import Run
from models.training.vectors import vectors

RECIPES: dict[str, Callable[[Path], Run]] = {
    "glyphs": glyphs,
    "glyphs-maml": glyphs_maml,
    "vectors": vectors,
    "curves": curves,
    "omniglot": omniglot,
}
