"""What is measured of a model of glyphs: Omniglot characters it never saw, digits it never saw, and its speed."""

import copy
import time
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from models.checkpoint import Checkpoint
from models.data.episodes import generator
from models.data.omniglot import Omniglot, load_omniglot
from models.inputs.image import GlyphInput
from models.learner import Learner
from models.training.figures import Answers, Figure, answers_of, encode_all, episode_answers, joined, mean_of
from models.training.glyphs import VALIDATED, framed
from models.types import Classes, Logits, Support, full_rows

UNSTRUCTURED = ((5, 1, 2000), (5, 5, 2000), (20, 1, 1000), (20, 5, 1000))  # ways, shots, tasks
NUM_DRAWS = 50
DIGIT_SHOTS = 5


def measure_glyphs(checkpoint: Checkpoint, data: Path, dtype: torch.dtype, test: bool) -> list[Figure]:
    """All figures in one type; `test` reads evaluation alphabets and digits, otherwise the alphabets for choosing.

    Of a model that was trained on these too, only the speed is left to measure without a test set.
    """
    frame = checkpoint.inputs
    assert isinstance(frame, GlyphInput)
    learner = copy.deepcopy(checkpoint.learner)
    learner.encoder.to(dtype).to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # not in the stubs
    figures = []
    if test:
        figures = _omniglot(learner, load_omniglot(data, "evaluation"), frame) + _digits(learner, frame)
    elif not set(VALIDATED) & set(checkpoint.card.card.get("alphabets", ())):
        figures = _omniglot(learner, load_omniglot(data, "background").only(VALIDATED), frame)
    return [*figures, _speed(learner, frame)]


def _omniglot(learner: Learner, omniglot: Omniglot, frame: GlyphInput) -> list[Figure]:
    images, rows = framed(omniglot, frame)
    features = encode_all(learner, images)
    figures = []
    for ways, shots, num_tasks in UNSTRUCTURED:
        name = f"{ways}-way {shots}-shot"
        answers = episode_answers(learner.head, features, list(rows), ways=ways, shots=shots, num_tasks=num_tasks)
        figures += [answers.accuracy(name), answers.calibration_error(f"{name}, calibration error")]
    for shots in (1, 5):
        name = f"within an alphabet, 20-way {shots}-shot"
        each = {
            alphabet: episode_answers(learner.head, features, list(rows[members]), ways=20, shots=shots, num_tasks=400)
            for alphabet, members in omniglot.characters_by_alphabet().items()
        }
        figures.append(mean_of([answers.error("") for answers in each.values()], f"{name}, error"))
        figures.append(
            mean_of([answers.calibration_error("") for answers in each.values()], f"{name}, calibration error")
        )
        if shots == 1:
            figures += [answers.error(f"{name}, error: {alphabet}") for alphabet, answers in each.items()]
    return figures


def _digits(learner: Learner, frame: GlyphInput) -> list[Figure]:
    """Scans of digits, 8x8: fifty shown, all others asked, drawn anew each time."""
    images, labels = digits(frame)
    features = encode_all(learner, images)
    answers = joined([_digit_task(learner, features, labels, seed) for seed in range(NUM_DRAWS)])
    name = f"digits, 10-way {DIGIT_SHOTS}-shot"
    return [answers.accuracy(name), answers.calibration_error(f"{name}, calibration error")]


def digits(frame: GlyphInput) -> tuple[UInt8[Tensor, "B H W"], Int64[Tensor, "B"]]:
    """The test digits of scikit-learn, framed as they would be served."""
    from sklearn.datasets import load_digits

    scans = load_digits()
    pixels = (scans.images * 255 / 16).round().astype(np.uint8)
    return torch.from_numpy(np.stack([frame(scan) for scan in pixels])), torch.from_numpy(scans.target.astype(np.int64))


def _digit_task(learner: Learner, features: Tensor, labels: Int64[Tensor, "B"], seed: int) -> Answers:
    order = torch.randperm(len(labels), generator=generator(seed, 0))
    shown = torch.cat([order[labels[order] == digit][:DIGIT_SHOTS] for digit in range(10)])
    asked = order[~torch.isin(order, shown)]
    target = Classes(labels[shown].unsqueeze(0), torch.ones(1, 10, dtype=torch.bool))
    with torch.inference_mode():
        params = learner.head.adapt(Support(full_rows(features[shown].unsqueeze(0)), target))
        scores = learner.head.predict(params, full_rows(features[asked].unsqueeze(0)))
    assert isinstance(scores, Logits)
    return answers_of(scores.values, labels[asked].unsqueeze(0))


def _speed(learner: Learner, frame: GlyphInput, rows: int = 128, passes: int = 40) -> Figure:
    """Images a second through the encoder alone; the fastest passes, since whatever else runs only ever slows one."""
    images = torch.randint(0, 256, (rows, *frame.shape), dtype=torch.uint8, generator=generator(0, 0))
    rates = []
    for _ in range(passes):
        start = time.perf_counter()
        encode_all(learner, images)
        rates.append(rows / (time.perf_counter() - start))
    fastest = np.sort(rates)[-passes // 4 :]
    half = 1.96 * float(fastest.std(ddof=1)) / len(fastest) ** 0.5
    return Figure(f"encoder alone, fastest quarter of {passes} passes", float(fastest.mean()), half, "images/s")
