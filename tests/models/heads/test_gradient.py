"""What each task's rows go through."""

from functools import partial

import pytest
import torch
from torch.func import vmap

from models.encoders.conv4 import Conv4
from models.heads.gradient import MANY_ROWS, through
from models.heads.with_leaves import with_leaves
from models.types import Rows, TaskParams
from tests.models.work import Work

BODY = Conv4(16, strided=True).requires_grad_(False)


def leaves_of(num_tasks: int) -> TaskParams:
    """A network of its own for each task."""
    draw = torch.Generator().manual_seed(0)
    return {
        name: leaf + 0.1 * torch.randn(num_tasks, *leaf.shape, generator=draw) for name, leaf in BODY.named_parameters()
    }


def rows_of(num_tasks: int, num_rows: int) -> Rows:
    draw = torch.Generator().manual_seed(1)
    glyphs = torch.randint(0, 256, (num_tasks, num_rows, 28, 28), generator=draw).to(torch.uint8)
    return Rows(glyphs, torch.ones(num_tasks, num_rows, dtype=torch.bool), torch.arange(num_tasks * num_rows))


@pytest.mark.parametrize(("num_tasks", "num_rows"), [(1, 1), (1, MANY_ROWS), (3, 2), (3, MANY_ROWS)])
def test_each_task_goes_through_its_own_network(num_tasks: int, num_rows: int) -> None:
    leaves, rows = leaves_of(num_tasks), rows_of(num_tasks, num_rows)
    made = through(BODY, {f"body.{name}": leaf for name, leaf in leaves.items()}, rows)
    torch.testing.assert_close(made, vmap(partial(with_leaves, BODY))(leaves, rows.values))


@torch.inference_mode()
@pytest.mark.parametrize(("num_tasks", "num_rows"), [(1, 1), (3, MANY_ROWS)])
def test_on_a_cpu_lone_tasks_and_those_of_many_rows_cost_what_their_networks_do(num_tasks: int, num_rows: int) -> None:
    params, rows = {f"body.{name}": leaf for name, leaf in leaves_of(num_tasks).items()}, rows_of(num_tasks, num_rows)
    with Work() as bare:
        made = torch.stack([BODY(values) for values in rows.values])
    with Work() as work:
        through(BODY, params, rows)
    assert made.shape == (num_tasks, num_rows, 16)
    assert work.done == bare.done
