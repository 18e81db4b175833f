from dataclasses import replace

import torch
from torch import Tensor

from models.data.episodes import Batch
from models.data.table_prior import TableTasks
from models.encoders.identity import Identity
from models.heads.in_context import InContext
from models.inputs.table import MISSING, NUMBER, WORD
from models.learner import Learner
from models.training.objectives.episodic import episodic
from models.types import Classes, Logits, Support, full_rows


def untrained() -> Learner:
    torch.manual_seed(0)
    return Learner(Identity(), InContext(hidden=8)).eval()


def scores(learner: Learner, batch: Batch) -> Tensor:
    with torch.inference_mode():
        found = learner.predict(learner.adapt(batch.support), batch.query)
    assert isinstance(found, Logits)
    return found.values


def changed(batch: Batch, support: Tensor, query: Tensor) -> Batch:
    return replace(batch, support=replace(batch.support, rows=full_rows(support)), query=full_rows(query))


def test_the_order_of_the_columns_means_nothing() -> None:
    batch = TableTasks(num_tasks=4, ways=3, shots=4)(7)
    support, query = batch.support.rows.values, batch.query.values
    order = torch.randperm(support.shape[2], generator=torch.Generator().manual_seed(0))
    moved = changed(batch, support[:, :, order], query[:, :, order])
    torch.testing.assert_close(scores(untrained(), moved), scores(untrained(), batch), rtol=1e-4, atol=1e-4)


def test_the_units_of_numbers_and_the_names_of_words_mean_nothing() -> None:
    batch = TableTasks(num_tasks=4, ways=3, shots=4)(7)

    def renamed(cells: Tensor) -> Tensor:
        kind, first, second = cells.unbind(-1)
        first = torch.where(kind == NUMBER, 1024 * first, torch.where(kind == WORD, 2**24 - 1 - first, first))
        return torch.stack([kind, first, torch.where(kind == NUMBER, 1024 * second, second)], -1)

    other = changed(batch, renamed(batch.support.rows.values), renamed(batch.query.values))
    torch.testing.assert_close(scores(untrained(), other), scores(untrained(), batch), rtol=1e-4, atol=1e-4)


def test_columns_that_are_empty_or_never_change_do_no_harm() -> None:
    batch = TableTasks(num_tasks=4, ways=2, shots=3)(3)

    def longer(cells: Tensor) -> Tensor:
        hole = torch.tensor([float(MISSING), 0.0, 0.0]).expand(*cells.shape[:2], 1, 3)
        same = torch.tensor([float(NUMBER), 1e15, 0.0]).expand(*cells.shape[:2], 1, 3)
        return torch.cat([cells, hole, same], 2)

    found = scores(untrained(), changed(batch, longer(batch.support.rows.values), longer(batch.query.values)))
    assert torch.isfinite(found).all()


def test_a_word_that_no_example_has_is_no_class_s_own() -> None:
    row = torch.tensor([[float(WORD), 5.0, 0.0]])
    support = torch.stack([row + torch.tensor([0.0, shot % 2, 0.0]) for shot in range(8)]).unsqueeze(0)
    batch = TableTasks(num_tasks=1, ways=2, shots=4)(0)
    target = Classes(torch.arange(8).unsqueeze(0) % 2, torch.ones(1, 2, dtype=torch.bool))
    support_set = Support(full_rows(support), target)
    asked = full_rows(torch.stack([row + torch.tensor([0.0, code, 0.0]) for code in (0, 1, 99)]).unsqueeze(0))
    [known, other, new] = scores(untrained(), replace(batch, support=support_set, query=asked))[0].softmax(-1)
    assert known[0] > 0.6 and other[1] > 0.6
    torch.testing.assert_close(new, torch.full((2,), 0.5), rtol=0, atol=1e-3)


def test_every_weight_learns() -> None:
    learner = untrained().train()
    for step in range(3):
        episodic(learner, TableTasks(num_tasks=2, ways=3, shots=3)(step))
    assert all(leaf.grad is not None and leaf.grad.abs().sum() > 0 for leaf in learner.parameters())
