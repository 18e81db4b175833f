"""What is measured of the small models: held-out tasks of their own kind, and real digits as bare vectors."""

from pathlib import Path

import numpy as np
import torch

from models.checkpoint import Checkpoint
from models.data.episodes import draw, full_batch, generator
from models.data.omniglot import load_omniglot
from models.inputs.image import GlyphInput
from models.inputs.vector import VectorInput
from models.learner import Learner
from models.training import curves, glyphs_maml, vectors
from models.training.figures import Figure, joined
from models.training.glyphs import VALIDATED

NUM_DRAWS = 50
SHOTS, ASKED = 5, 100  # of each digit


def measure_maml(checkpoint: Checkpoint, data: Path, dtype: torch.dtype, test: bool) -> list[Figure]:
    """Accuracy on characters never seen: of evaluation alphabets, or of those kept for choosing."""
    assert isinstance(checkpoint.inputs, GlyphInput)
    omniglot = load_omniglot(data, "evaluation") if test else load_omniglot(data, "background").only(VALIDATED)
    return glyphs_maml.figures(checkpoint.learner, omniglot, checkpoint.inputs)


def measure_curves(checkpoint: Checkpoint, data: Path, dtype: torch.dtype, test: bool) -> list[Figure]:
    """Error and coverage on curves never seen."""
    return curves.figures(checkpoint.learner)


def measure_vectors(checkpoint: Checkpoint, data: Path, dtype: torch.dtype, test: bool) -> list[Figure]:
    """Accuracy and calibration on synthetic tasks never seen; `test` reads the digits of scikit-learn, as pixels."""
    figures = vectors.figures(checkpoint.learner)
    if test:
        assert isinstance(checkpoint.inputs, VectorInput)
        figures += _digits(checkpoint.learner)
    return figures


def _digits(learner: Learner) -> list[Figure]:
    from sklearn.datasets import load_digits

    scans = load_digits()
    pixels = torch.from_numpy(scans.data.astype(np.float32))
    labels = torch.from_numpy(scans.target.astype(np.int64))
    pool = [torch.nonzero(labels == digit).squeeze(1) for digit in range(10)]
    draws = [draw(pool, 1, 10, SHOTS + ASKED, generator(seed, 0)) for seed in range(NUM_DRAWS)]
    batches = [full_batch(pixels[rows[:, :, :SHOTS]], pixels[rows[:, :, SHOTS:]]) for rows in draws]
    answers = joined([vectors.judged(learner, batch) for batch in batches])
    name = f"digits, 10-way {SHOTS}-shot"
    return [answers.accuracy(name), answers.calibration_error(f"{name}, calibration error")]
