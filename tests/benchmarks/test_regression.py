"""The best predictors against brute force, the mixed model against its definition, and folds that leak no task."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.regression import alone
from benchmarks.regression.bayes import linear_means, means_behind, sinusoid_means
from benchmarks.regression.learned import Learned, as_mixed, learned
from benchmarks.regression.mixed import design, mixed, per_task
from benchmarks.regression.real import METHODS, RIVAL, Errors, kept, packed, student, text
from benchmarks.regression.sets import Task, folds, supports
from models.checkpoint import load
from models.data.regressions import LinearTasks, SinusoidTasks
from models.training.appraise import ZOO
from models.types import Values


def test_the_quadrature_is_what_a_dense_grid_gives() -> None:
    noise = 0.5
    batch = SinusoidTasks(noise, num_tasks=2, min_shots=4, max_shots=4, queries=3)(0)
    assert isinstance(batch.support.target, Values)
    amplitude = torch.linspace(0.1, 5, 800, dtype=torch.float64)
    phase = torch.linspace(0, math.pi, 800, dtype=torch.float64)
    for task, found in enumerate(sinusoid_means(batch, noise)):
        x, y = batch.support.rows.values[task].double(), batch.support.target.values[task].double()
        curves = amplitude[:, None] * (x.view(-1, 1, 1) + phase).sin()
        likelihood = (-(curves - y.view(-1, 1, 1)).square().sum(0) / (2 * noise**2)).exp()
        asked = batch.query.values[task].double().view(-1, 1, 1)
        expected = (likelihood * amplitude[:, None] * (asked + phase).sin()).sum((1, 2)) / likelihood.sum()
        torch.testing.assert_close(found, expected, rtol=0, atol=0.01)  # the grid's own error, in units of up to 5


def test_with_endless_examples_the_best_line_is_the_task() -> None:
    batch = LinearTasks(noise=0.1, num_tasks=2, min_shots=2000, max_shots=2000)(0)
    assert isinstance(batch.target, Values)
    found = linear_means(batch, LinearTasks(noise=0.1))
    assert (found - batch.target.values.squeeze(-1)).square().mean().sqrt() < 0.12


def test_behind_features_that_hide_inputs_the_best_is_what_prior_samples_give() -> None:
    tasks = LinearTasks(dim=3, rank=2, num_tasks=3, min_shots=5, max_shots=5, queries=4)
    batch, seen = tasks(0), torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.6, 0.8]], dtype=torch.float64)
    assert isinstance(batch.support.target, Values)
    mean, subspace = (part.double() for part in tasks.prior)
    draws = torch.randn(200_000, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    weights = mean + draws @ subspace
    inside = weights @ seen.T  # the features are at right angles and of unit length
    variance = weights.square().sum(1) - inside.square().sum(1) + tasks.noise**2
    for task, found in enumerate(means_behind(batch, tasks, seen.float())):
        rows, asked = (each.values[task].double() @ seen.T for each in (batch.support.rows, batch.query))
        miss = batch.support.target.values[task].double() - rows @ inside.T
        share = (-miss.square().sum(0) / variance / 2 - 2.5 * variance.log()).softmax(0)
        torch.testing.assert_close(found, asked @ (share @ inside), rtol=0, atol=0.1)


def test_features_that_hide_nothing_leave_the_bayes_error() -> None:
    batch = LinearTasks(num_tasks=2)(0)
    turned = torch.nn.init.orthogonal_(torch.empty(8, 8))
    torch.testing.assert_close(means_behind(batch, LinearTasks(), turned), linear_means(batch, LinearTasks()))


def test_a_set_that_was_measured_is_read_and_shown_as_it_was(tmp_path: Path) -> None:
    by = {(3, method): [0.5, 0.25, 1.0 if method == RIVAL else 0.75] for method in METHODS}
    first = Errors("orange", by, steps=[0, 100], cpu_s=60.0)
    (tmp_path / "orange.json").write_bytes(packed(first))
    again = kept(tmp_path / "no data", "orange", tmp_path)
    assert again == first
    assert "| orange | 3 | 3 | 50.00 | 50.00 | 58.33 | 50.00 | +8.33 ± 34.76 | as good | 0 100 |" in text([again])
    assert "1.0 minutes of CPU" in text([again])


@pytest.mark.parametrize(("freedom", "expected"), [(4, 2.776), (5, 2.571), (13, 2.160), (78, 1.991)])
def test_intervals_of_few_tasks_are_wider(freedom: int, expected: float) -> None:
    assert student(freedom) == pytest.approx(expected, rel=0.01)


def tasks(num_tasks: int = 23, rows: int = 12, noise: float = 0.1) -> list[Task]:
    rng = np.random.default_rng(0)
    made = []
    for _ in range(num_tasks):
        inputs = rng.normal(size=(rows, 1))
        weights = np.array([1.0, -2.0]) + np.array([0.5, 1.0]) * rng.normal(size=2)
        made.append(Task(inputs, design(inputs) @ weights + noise * rng.normal(size=rows)))
    return made


def test_folds_never_leak_a_task() -> None:
    made = tasks()
    numbered = {task.inputs.tobytes(): number for number, task in enumerate(made)}
    judged = []
    for fold in folds(made):  # units come from training tasks
        scale = np.concatenate([task.inputs for task in fold.train])
        assert abs(scale.mean()) < 1e-6 and scale.std() == pytest.approx(1)
        assert len(fold.train) + len(fold.test) == len(numbered)
        judged += [number for number, _ in fold.test]
        mine = {np.sort(task.targets).tobytes() for task in fold.train}
        assert not mine & {np.sort(task.targets).tobytes() for _, task in fold.test}
    assert sorted(judged) == list(range(len(made)))


def test_a_support_and_its_questions_share_no_row() -> None:
    task = tasks(1)[0]
    for support, rest in supports(task, 0, 3, num_draws=4):
        assert len(support.targets) == 3
        assert sorted([*support.targets, *rest.targets]) == sorted(task.targets)
    assert supports(task, 0, 11, num_draws=4) == []


def test_em_finds_the_prior_and_the_noise() -> None:
    model = mixed(tasks(400))
    np.testing.assert_allclose(model.mean, np.array([1.0, -2.0]), atol=0.2)
    np.testing.assert_allclose(model.covariance, np.diag([0.25, 1.0]), atol=0.15)
    assert model.noise == pytest.approx(0.01, rel=0.1)


def test_the_learned_prior_starts_as_the_mixed_model() -> None:
    made = tasks()
    model, support, asked = mixed(made), made[0], np.linspace(-1, 1, 5)[:, None]
    learner = as_mixed(model)

    np.testing.assert_allclose(Learned(learner, 0)(support, asked), model(support, asked), atol=1e-3)


def test_with_many_rows_a_task_needs_no_other() -> None:
    made = tasks(1, rows=200, noise=0.0)[0]
    np.testing.assert_allclose(per_task([])(made, made.inputs), made.targets, atol=1e-9)


def test_learning_beyond_the_mixed_model_never_goes_where_training_tasks_get_worse() -> None:
    stops = (0, 3, 5)
    assert learned(tasks(5, rows=6), stops).num_steps in stops


def test_real_curves_are_judged_from_their_own_rows_alone(tmp_path: Path) -> None:
    (tmp_path / "curves").mkdir()
    draw = np.random.default_rng(0)
    for name in alone.NAMES:
        x = draw.uniform(20, 80, (40, 1))
        y = 3 * x[:, 0] + 0.1 * draw.standard_normal(40)
        np.savez(tmp_path / "curves" / f"{name}.npz", X=x, y=y, task=np.repeat([1, 2], 20))
    learner = load(ZOO / "curves").learner
    rows = list(alone.rows(tmp_path, learner))
    assert [row[:3] for row in rows[:3]] == [[alone.NAMES[0], str(shots), "2"] for shots in (3, 5, 10)]
    assert all(float(row[3]) < 1 and float(row[5]) < 5 for row in rows[2::3])  # ten points of a straight line
    assert all(float(row[8]) > 80 for row in rows)
