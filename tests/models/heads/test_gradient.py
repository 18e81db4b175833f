"""What each task's rows go through."""

import torch

from models.encoders.conv4 import Conv4
from models.heads.gradient import through
from models.types import Rows
from tests.models.work import Work


def rows_of_tasks(num_tasks: int) -> Rows:
    glyphs = torch.randint(0, 256, (1, 3, 28, 28), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    mask = torch.ones(num_tasks, 3, dtype=torch.bool)
    return Rows(glyphs.repeat(num_tasks, 1, 1, 1), mask, torch.arange(3 * num_tasks))


def test_a_lone_task_costs_what_its_network_does() -> None:
    body, rows = Conv4(16, strided=True), rows_of_tasks(1)
    params = {f"body.{name}": leaf.detach()[None] for name, leaf in body.named_parameters()}
    with torch.inference_mode():
        with Work() as alone:
            made = through(body, params, rows)
        with Work() as bare:
            body(rows.values[0])
        two = {name: leaf.repeat(2, *(1 for _ in leaf.shape[1:])) for name, leaf in params.items()}
        both = through(body, two, rows_of_tasks(2))
    assert alone.done == bare.done
    torch.testing.assert_close(made, both[1:])
