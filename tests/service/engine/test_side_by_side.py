"""Predictions while another thread adapts by the same model: both come to what they come to alone, to the bit."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from models.checkpoint import load
from models.pauses import at_once
from models.training.appraise import ZOO
from service.engine.arrays import Adapted, Array, ClassScores, LabelledArrays
from service.engine.compute import Compute
from service.engine.packed import pack
from service.metrics import Metrics

TIMES = 6


def test_an_inner_loop_and_predictions_of_other_tasks() -> None:
    checkpoint = load(ZOO / "glyphs-maml")
    compute = Compute({checkpoint.digest: checkpoint}, torch.device("cpu"), torch.float32, Metrics())
    draw = np.random.default_rng(0)
    blank = checkpoint.inputs.made_up(1)
    pictures = [draw.integers(0, 2, (6, *blank.shape[1:])).astype(blank.dtype) for _ in range(2)]
    tasks = [LabelledArrays(rows, np.arange(6) % 2, 2, None) for rows in pictures]

    def adapted(number: int) -> Adapted:
        with torch.inference_mode():
            return at_once(compute.adapt(checkpoint.digest, [tasks[number]]))[0]

    known = [adapted(number) for number in range(2)]

    def predicted() -> Array:
        with torch.inference_mode():
            (scores,) = at_once(compute.predict(checkpoint.digest, [(pack(known[0].params), pictures[1])]))
        assert isinstance(scores, ClassScores)
        return scores.probabilities

    alone = predicted()
    with ThreadPoolExecutor(2, initializer=torch.set_num_threads, initargs=(torch.get_num_threads(),)) as threads:
        adapting = threads.submit(lambda: [adapted(1) for _ in range(TIMES)])
        predictions = [predicted()]
        while not adapting.done():
            predictions.append(predicted())
    assert all(np.array_equal(each, alone) for each in predictions) and len(predictions) > 1
    for made in adapting.result():
        assert all(np.array_equal(leaf, known[1].params[name]) for name, leaf in made.params.items())
