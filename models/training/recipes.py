"""Every training run: a function of the folder of data sets, by its name."""

from collections.abc import Callable

from models.training.curves import curves
from models.training.frames import frames
from models.training.glyphs import glyphs
from models.training.glyphs_maml import glyphs_maml
from models.training.linear import linear
from models.training.multitask import multitask
from models.training.omniglot import omniglot
from models.training.own import own
from models.training.photos import photos
from models.training.pipeline import pipeline
from models.training.sinusoid import sinusoid
from models.training.tables import tables
from models.training.text import text
from models.training.train import Run
from models.training.universal import universal
from models.training.vectors import vectors
from models.training.vinyals import vinyals

RECIPES: dict[str, Callable[..., Run]] = {
    "glyphs": glyphs,
    "glyphs-maml": glyphs_maml,
    "frames": frames,
    "vectors": vectors,
    "photos": photos,
    "tables": tables,
    "curves": curves,
    "linear": linear,
    "text": text,
    "universal": universal,
    "sinusoid": sinusoid,
    "multitask": multitask,
    "pipeline": pipeline,  # pre-training, then meta-learning, beside each alone
    "omniglot": omniglot,  # the comparison of methods
    "vinyals": vinyals,  # the same on the literature's split
    "own": own,  # a user's own data
}
