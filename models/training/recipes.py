"""Every training run that ships a model: a function of the folder of data sets, by the model's name."""

from collections.abc import Callable
from pathlib import Path

from models.training.glyphs import glyphs
from models.training.train import Run

RECIPES: dict[str, Callable[[Path], Run]] = {
    "glyphs": glyphs,
}
