"""What a learner of glyphs costs to serve: time and operations to adapt to a task, and to answer an image."""

import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.flop_counter import FlopCounterMode

from models.data.episodes import Batch, full_batch, generator
from models.inputs.image import GlyphInput
from models.learner import Learner
from models.training.figures import Figure

ADAPTED = ((5, 1), (20, 5))  # ways, shots
ASKED = 6  # images of a class in one pass of predictions
PASSES = 12


def costs(learner: Learner, frame: GlyphInput) -> list[Figure]:
    """From raw images, one task at a time: adapting to the smallest and the largest task, then answering for it."""
    tasks = {f"{ways}-way {shots}-shot": _task(frame, ways, shots) for ways, shots in ADAPTED}
    adapted = [each for name, task in tasks.items() for each in _adapting(learner, task, f"adapt, {name}")]
    return [*adapted, *_answering(learner, list(tasks.values())[-1])]


def _adapting(learner: Learner, task: Batch, name: str) -> list[Figure]:
    def adapt() -> None:
        learner.adapt(task.support)

    operations = Figure(f"{name}, operations", operations_of(adapt) / 1e9, 0.0, "G")
    return [_figure(name, 1e3 * fastest(adapt), "ms"), operations]


def _answering(learner: Learner, task: Batch) -> list[Figure]:
    with torch.inference_mode():
        params = learner.adapt(task.support)

    def answer() -> None:
        learner.predict(params, task.query)

    num_images = task.query.mask.numel()
    operations = Figure("answer an image, operations", operations_of(answer) / num_images / 1e6, 0.0, "M")
    return [_figure("answer", num_images / fastest(answer), "images/s"), operations]


def fastest(work: Callable[[], None], passes: int = PASSES) -> npt.NDArray[np.float64]:
    """Seconds of the fastest third of the passes: whatever else runs only ever slows one."""
    seconds = []
    with torch.inference_mode():
        work()  # the first allocates
        for _ in range(passes):
            began = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - began)
    return np.sort(seconds)[: passes // 3]


def operations_of(work: Callable[[], None]) -> int:
    """Multiplications and additions of the convolutions and matrix products."""
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        work()
    return int(counter.get_total_flops())


def _task(frame: GlyphInput, ways: int, shots: int) -> Batch:
    size = (1, ways, shots + ASKED, *frame.shape)
    images = torch.randint(0, 256, size, dtype=torch.uint8, generator=generator(0, 0))
    return full_batch(images[:, :, :shots], images[:, :, shots:])


def _figure(name: str, values: npt.NDArray[np.float64], unit: str) -> Figure:
    return Figure(name, float(values.mean()), 1.96 * float(values.std(ddof=1)) / len(values) ** 0.5, unit)
