"""Logistic regression against scikit-learn's, in both spaces, and from another task's layer."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from models.heads.bounded import fit
from models.heads.logistic import Logistic
from tests.models.tasks import Task, rows_of, support_of, vector_task


def probabilities(head: Logistic, task: Task) -> torch.Tensor:
    with torch.inference_mode():
        params = head.adapt(support_of([task]))
        return head.predict(params, rows_of([task.query])).values[0].softmax(-1)


@pytest.mark.parametrize(("shots", "dim"), [(1, 9), (6, 5)])
@pytest.mark.parametrize("penalty", [0.03, 1.0])
def test_it_is_the_minimiser_that_scikit_learn_finds(shots: int, dim: int, penalty: float) -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    task = vector_task(1, ways=4, shots=shots, dim=dim)
    task = replace(task, support=task.support[:-1], targets=task.targets[:-1]) if shots > 1 else task  # one class fewer
    support, query = (F.normalize(rows, dim=-1).double().numpy() for rows in (task.support, task.query))
    theirs = linear_model.LogisticRegression(C=1 / penalty, tol=1e-8, max_iter=2000)
    expected = theirs.fit(support, task.targets.numpy()).predict_proba(query)
    ours = probabilities(Logistic(penalty=penalty, num_steps=200), task)
    np.testing.assert_allclose(ours, expected, atol=1e-3)
    np.testing.assert_allclose(probabilities(Logistic(penalty=penalty), task), expected, atol=0.02)


@pytest.mark.parametrize("penalty", [0.03, 1.0])
def test_the_rows_space_and_the_features_lead_to_the_same_layer(penalty: float) -> None:
    torch.manual_seed(0)
    rows, truth = F.normalize(torch.randn(1, 12, 8), dim=-1), torch.eye(3)[torch.arange(12) % 3].unsqueeze(0)
    shares = torch.tensor([[1.0] * 9 + [2.5, 0.5, 0]])
    rest = torch.randn(1, 12, 3), torch.ones(1, 3, dtype=torch.bool), torch.full((1, 1, 1), penalty), 24
    *_, by_features = fit(rows, shares, truth, *rest)
    *_, by_rows = fit(F.pad(rows, (0, 8)), shares, truth, *rest)  # more features than rows
    assert by_features is not None and by_rows is not None
    torch.testing.assert_close(by_rows[0][..., :8], by_features[0], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(by_rows[1], by_features[1], rtol=1e-5, atol=1e-5)


def test_a_hundred_and_fifty_ways_are_told_apart() -> None:
    task = vector_task(1, ways=150, shots=2, dim=48)
    assert (probabilities(Logistic(), task).argmax(1) == task.answers).float().mean() > 0.9


def test_a_layer_that_has_been_fitted_is_where_the_next_starts() -> None:
    task, head = vector_task(1), Logistic(num_steps=8)
    support, query = support_of([task]), rows_of([task.query])
    once = head.adapt(support)
    twice = head.adapt(support, once)
    right = torch.arange(len(task.answers)), task.answers
    first, second = (head.predict(params, query).values[0].log_softmax(-1)[right].mean() for params in (once, twice))
    assert second > first


def test_what_training_learns_gets_a_gradient() -> None:
    task, head = vector_task(1), Logistic(num_steps=8)
    head.predict(head.adapt(support_of([task])), rows_of([task.query])).values[0, :, 0].sum().backward()  # type: ignore[no-untyped-call]
    for leaf in head.parameters():
        assert leaf.grad is not None
        assert torch.isfinite(leaf.grad) and leaf.grad != 0
