"""Tasks that belong to a model: written and read with it, part of its digest; what does not fit is named."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from models import zoo
from models.card import Card, DamagedCheckpoint, digest
from models.checkpoint import build, load, save
from models.types import TaskParams

HEAD = {"name": "both", "classes": {"name": "linear_classes"}, "values": {"name": "linear_values"}}
CARD = Card(
    name="small",
    modality="vector",
    kinds=("classification", "regression"),
    inputs={"name": "vector", "dim": 3},
    encoder={"name": "identity"},
    head=HEAD,
    created_at="2026-11-22T00:00:00Z",
    tasks={
        "colour": {"kind": "classification", "labels": ["red", "blue"], "about": "the colour"},
        "weight": {"kind": "regression", "labels": None, "about": "the weight"},
    },
)
SHIPPED = {
    "curves": "c01f8003e2ae5c86eebd4b1b900f42ca8b7ee76ea5ba88904bb4a3e84a48f61d",
    "glyphs": "c2219201108d280a2b45c016904ba2030da678bcd68f96166575d08272eaca7f",
    "glyphs-maml": "80de83e7212e8502677865ca6307010a378ddc173daee18ea4c915a3afec004e",
    "vectors": "065f38b90b079b255163362e81c08234d34dcc8909dbd008bcc32b7fd5800fc5",
}


def own_tasks() -> dict[str, TaskParams]:
    none = {"weight": torch.zeros(0, 3), "bias": torch.zeros(0), "ways": torch.zeros(0, dtype=torch.bool)}
    no_values = {
        f"values.{leaf}": torch.zeros(0, 3) if leaf == "weight" else torch.zeros(0)
        for leaf in ("weight", "bias", "std")
    }
    colour = {"weight": torch.eye(3)[:2], "bias": torch.zeros(2), "ways": torch.ones(2, dtype=torch.bool)}
    weight = {"values.weight": 1e5 * torch.ones(1, 3), "values.bias": torch.ones(1), "values.std": torch.ones(1)}
    return {"colour": {**colour, **no_values}, "weight": {**none, **weight}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save(tmp_path, build(CARD.encoder, CARD.head), CARD, torch.float16, own_tasks())
    return tmp_path


def test_they_come_back_with_the_model_in_single_precision(folder: Path) -> None:
    found = load(folder)
    assert found.card == CARD
    for name, params in own_tasks().items():
        assert all(torch.equal(found.tasks[name][leaf], value) for leaf, value in params.items())


def test_they_are_part_of_the_digest_and_models_without_keep_theirs(folder: Path) -> None:
    before = digest(folder)
    told = json.loads(CARD.to_json())
    told["tasks"]["colour"]["labels"] = ["blue", "red"]
    (folder / "model.json").write_text(json.dumps(told))
    assert digest(folder) != before
    shipped = Path(next(iter(zoo.__path__)))
    assert {name: digest(shipped / name) for name in SHIPPED} == SHIPPED
    assert "tasks" not in json.loads(Card(**{**vars(CARD), "tasks": {}}).to_json())


@pytest.mark.parametrize(
    "tasks",
    [
        {**CARD.tasks, "more": CARD.tasks["weight"]},
        {"colour": CARD.tasks["colour"]},
        {**CARD.tasks, "Colour": CARD.tasks["colour"]},
        {**CARD.tasks, "colour": {**CARD.tasks["colour"], "labels": ["red", "blue", "green"]}},
        {**CARD.tasks, "colour": {**CARD.tasks["colour"], "labels": ["red", "red"]}},
        {**CARD.tasks, "colour": {**CARD.tasks["colour"], "labels": None}},
        {**CARD.tasks, "colour": {**CARD.tasks["colour"], "kind": "frames"}},
        {**CARD.tasks, "weight": {"kind": "regression"}},
        {f"task-{number}": CARD.tasks["weight"] for number in range(300)},
        ["colour", "weight"],
    ],
)
def test_what_does_not_fit_is_a_damaged_checkpoint(folder: Path, tasks: Any) -> None:
    (folder / "model.json").write_text(json.dumps({**json.loads(CARD.to_json()), "tasks": tasks}))
    with pytest.raises(DamagedCheckpoint, match=str(folder)):
        load(folder)


def test_leaves_of_the_wrong_shape_are_damage(folder: Path) -> None:
    wrong = own_tasks()
    wrong["weight"]["values.weight"] = torch.ones(1, 4)
    save(folder, build(CARD.encoder, CARD.head), CARD, tasks=wrong)
    with pytest.raises(DamagedCheckpoint, match="does not fit its axes"):
        load(folder)
