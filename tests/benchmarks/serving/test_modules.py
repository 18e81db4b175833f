"""What a user would write answers as kshot's learners do."""

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.asked import INPUTS, adaptation
from benchmarks.serving.kept_tasks import logits_of
from benchmarks.serving.modules import Own, OwnHead
from models.types import Classes, Logits, Rows, Support

NUM_WAYS, NUM_EXAMPLES = 5, 25


@pytest.mark.parametrize("model", ["vectors", "glyphs-maml"])
def test_a_task_of_its_own_answers_as_the_learner_does(model: str) -> None:
    own, body = Own(model), adaptation(model, 3)
    inputs, labels = [each["input"] for each in body["support"]], [each["label"] for each in body["support"]]
    task = own.adapt(inputs, labels)
    asked = [INPUTS[model](np.random.default_rng(9), label) for label in range(NUM_WAYS)]
    found = [list(each.scores.values()) for each in own.predict(task, asked)]

    support, query = (rows_of(own.rows(each)) for each in (inputs, asked))
    classes = torch.tensor([[int(label[1:]) for label in labels]])
    params = own.head.adapt(Support(support, Classes(classes, torch.ones(1, NUM_WAYS, dtype=torch.bool))))
    scores = own.head.predict(params, query)
    assert isinstance(scores, Logits)
    wanted = scores.values[0].softmax(-1)
    torch.testing.assert_close(torch.tensor(found), wanted, atol=1e-4, rtol=0)


def rows_of(values: torch.Tensor) -> Rows:
    return Rows(values[None], torch.ones(1, len(values), dtype=torch.bool), torch.arange(len(values)))


def test_heads_in_one_product_are_those_one_by_one() -> None:
    made = torch.Generator().manual_seed(0)
    heads = [
        OwnHead(torch.randn(3, 4, generator=made), torch.randn(3, generator=made), "abc", is_unit=True)
        for _ in range(6)
    ]
    rows = torch.randn(6, 4, generator=made)
    wanted = torch.stack([head(row) for head, row in zip(heads, rows, strict=True)])
    torch.testing.assert_close(logits_of(heads, rows), wanted)


def test_pictures_are_as_large_as_those_of_the_data_set() -> None:
    sent = INPUTS["glyphs"](np.random.default_rng(0), 4)["image"]
    assert Image.open(io.BytesIO(base64.b64decode(sent))).size == (105, 105)
