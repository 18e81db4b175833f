"""How well a model's own tasks do on rows: accuracy where they tell classes apart, R2 where they predict a number."""

from collections.abc import Mapping

import torch

from models.data.shared import NONE, Part, SharedRows
from models.learner import Learner
from models.training.figures import encode_all
from models.types import Gaussian, Logits, TaskParams, full_rows


def spreads(shared: SharedRows) -> dict[str, tuple[float, float]]:
    """Mean and deviation of each task's numbers that are trained on."""
    columns = zip(shared.numbers, shared.of("train").values.unbind(1), strict=True)
    known = {name: values[~values.isnan()] for name, values in columns}
    return {
        name: (values.mean().item(), values.std().item() if len(values) > 1 else 1.0) for name, values in known.items()
    }


def figures_of(learner: Learner, tasks: Mapping[str, TaskParams], shared: SharedRows, part: Part) -> dict[str, float]:
    """One figure a task, of the rows of this part; a task without rows there has none.

    R2 is beside the mean of what the task was trained on.
    """
    rows, means, found = shared.of(part), spreads(shared), {}
    features = encode_all(learner, rows.inputs)
    for name, params in tasks.items():
        of_classes = name in shared.labels
        column = [*shared.labels].index(name) if of_classes else shared.numbers.index(name)
        truth = rows.classes[:, column] if of_classes else rows.values[:, column]
        known = truth != NONE if of_classes else ~truth.isnan()
        if not known.any():
            continue
        one = {leaf: value.unsqueeze(0) for leaf, value in params.items()}
        with torch.inference_mode():
            scores = learner.head.predict(one, full_rows(features[known].unsqueeze(0)))
        if isinstance(scores, Logits):
            found[name] = (scores.values[0].argmax(-1) == truth[known]).double().mean().item()
        else:
            assert isinstance(scores, Gaussian)
            error = (scores.mean[0, :, 0] - truth[known]).square().sum()
            found[name] = 1 - (error / (truth[known] - means[name][0]).square().sum()).item()
    return found
