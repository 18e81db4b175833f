"""What is measured of every method in the comparison: characters it never saw, how sure it is, and what it costs."""

import copy
from pathlib import Path

import torch
from jaxtyping import Int64
from torch import Tensor

from models.checkpoint import Checkpoint
from models.data.omniglot import DRAWERS, Omniglot, load_omniglot
from models.data.vinyals import QUARTER_TURNS, load_vinyals
from models.inputs.image import GlyphInput
from models.learner import Learner
from models.training.cost import costs
from models.training.figures import Answers, Figure, encode_all, episode_answers, mean_of
from models.training.glyphs import VALIDATED, framed

UNSTRUCTURED = ((5, 1, 1000), (5, 5, 1000), (20, 1, 400), (20, 5, 200))  # ways, shots, tasks
WITHIN = ((5, 1, 50), (5, 5, 50), (20, 1, 20), (20, 5, 10))  # ways, shots, tasks an alphabet
MAX_ROWS = 1000  # in one pass: where the whole network adapts, each task's rows go through a network of their own


def measure_method(checkpoint: Checkpoint, data: Path, dtype: torch.dtype, test: bool) -> list[Figure]:
    """Accuracy on evaluation alphabets, or on those for choosing if it was not trained on them too; and its costs."""
    learner, frame = _prepared(checkpoint, dtype)
    figures = []
    if test:
        figures = _omniglot(learner, load_omniglot(data, "evaluation"), frame)
    elif not set(VALIDATED) & set(checkpoint.card.card.get("alphabets", ())):
        figures = _omniglot(learner, load_omniglot(data, "background").only(VALIDATED), frame)
    return [*figures, *costs(learner, frame)]


def measure_vinyals(checkpoint: Checkpoint, data: Path, dtype: torch.dtype, test: bool) -> list[Figure]:
    """The same on the test classes of Vinyals' split, or on its classes for choosing, each rotation being a class."""
    learner, frame = _prepared(checkpoint, dtype)
    figures = []
    if test or checkpoint.card.card.get("part") == "train":
        images, _ = framed(load_vinyals(data, "test" if test else "val"), frame)
        turned = torch.cat([images.rot90(turns, (1, 2)) for turns in range(QUARTER_TURNS)])
        rows = torch.arange(len(turned)).view(-1, DRAWERS)
        figures = _unstructured(learner, encode_all(learner, turned), rows)
    return [*figures, *costs(learner, frame)]


def _prepared(checkpoint: Checkpoint, dtype: torch.dtype) -> tuple[Learner, GlyphInput]:
    assert isinstance(checkpoint.inputs, GlyphInput)
    learner = copy.deepcopy(checkpoint.learner)
    learner.encoder.to(dtype).to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # not in the stubs
    return learner, checkpoint.inputs


def _omniglot(learner: Learner, omniglot: Omniglot, frame: GlyphInput) -> list[Figure]:
    images, rows = framed(omniglot, frame)
    features = encode_all(learner, images)
    figures = _unstructured(learner, features, rows)
    for ways, shots, num_tasks in WITHIN:
        name = f"within an alphabet, {ways}-way {shots}-shot"
        pools = [rows[members] for members in omniglot.characters_by_alphabet().values()]
        each = [_answers(learner, features, pool, ways, shots, num_tasks) for pool in pools]
        figures += [
            mean_of([answers.accuracy("") for answers in each], name),
            mean_of([answers.calibration_error("") for answers in each], f"{name}, calibration error"),
        ]
    return figures


def _unstructured(learner: Learner, features: Tensor, rows: Int64[Tensor, "C R"]) -> list[Figure]:
    figures = []
    for ways, shots, num_tasks in UNSTRUCTURED:
        name = f"{ways}-way {shots}-shot"
        answers = _answers(learner, features, rows, ways, shots, num_tasks)
        figures += [answers.accuracy(name), answers.calibration_error(f"{name}, calibration error")]
    return figures


def _answers(
    learner: Learner, features: Tensor, rows: Int64[Tensor, "C R"], ways: int, shots: int, num_tasks: int
) -> Answers:
    max_tasks = max(1, MAX_ROWS // (ways * (shots + 5)))
    return episode_answers(
        learner.head, features, list(rows), ways=ways, shots=shots, num_tasks=num_tasks, max_tasks=max_tasks
    )
